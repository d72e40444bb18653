/// The metadata service of an EC2 instance, as environment and profile describe it.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>.
public struct InstanceMetadata: Sendable, Equatable {
    /// How the service may be asked.
    public enum Version: String, Sendable, CaseIterable {
        /// With a token: what a page in a browser, or a proxy inside, cannot be made to do.
        case v2
        /// Without a token where the service gives none.
        case v1
        /// Not at all.
        case off
    }

    /// `http://169.254.169.254`, without a slash at its end.
    var endpoint: String
    /// Whether requests without a token are allowed.
    var allowsV1: Bool
    /// The role; nil for the instance's own.
    var role: String?
    /// The longest wait for an answer, connecting included.
    var timeout: Duration
    /// How often it is asked before it counts as not there: at least 1.
    var attempts: Int
    /// Whether nothing but the lack of all else speaks for this service.
    var isLastResort: Bool

    /// The service; nil where it is turned off.
    /// - Parameters:
    ///   - isLastResort: false where somebody has asked for it.
    ///   - role: the role; nil for the instance's own.
    init?(
        environment: [String: String], profile: Profile?, version: Version, isLastResort: Bool, role: String? = nil
    ) throws(ConfigurationError) {
        guard version != .off, environment.setting("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" else {
            return nil
        }
        self.role = role
        self.isLastResort = isLastResort
        allowsV1 = version == .v1
        let chosen =
            environment.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? profile?.text("ec2_metadata_service_endpoint")
        if let chosen {
            do throws(EndpointURL.Malformed) {
                endpoint = try EndpointURL(chosen).url
            } catch {
                throw ConfigurationError("AWS_EC2_METADATA_SERVICE_ENDPOINT: \(error.message)")
            }
        } else {
            let mode =
                environment.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
                ?? profile?.text("ec2_metadata_service_endpoint_mode") ?? "IPv4"
            switch mode.lowercased() {
            case "ipv4": endpoint = "http://169.254.169.254"
            case "ipv6": endpoint = "http://[fd00:ec2::254]"
            default: throw ConfigurationError("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: IPv4 or IPv6 expected")
            }
        }
        // A laptop that is no instance must not wait for long: the service is one hop away where it is there at all.
        let seconds = environment.setting("AWS_METADATA_SERVICE_TIMEOUT").flatMap { Double($0) } ?? 1
        timeout = .milliseconds(Int64(min(max(seconds, 0.1), 60) * 1000))
        attempts =
            environment.setting("AWS_METADATA_SERVICE_NUM_ATTEMPTS").flatMap { Int($0) }.map { min(max($0, 1), 10) }
            ?? (isLastResort ? 1 : 3)
    }
}
