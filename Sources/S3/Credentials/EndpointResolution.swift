/// Where a bucket's name stands in a URL, as a person may choose it.
public enum AddressingChoice: String, Sendable, CaseIterable {
    /// `https://host/bucket/key`
    case path
    /// `https://bucket.host/key`
    case virtual
    /// `virtual` for AWS's own hosts, `path` for any other.
    case auto
}

/// Finds a store's address by AWS's conventions, without asking anybody: a pure function of options, environment and profile.
///
/// | what | in this order |
/// |---|---|
/// | endpoint | option, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's `services` section, its `endpoint_url`, AWS's own |
/// | region | option, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's `region`, the one in an AWS host's name, `us-east-1` |
/// | addressing | option, the profile's `s3 = addressing_style`, by the host |
/// | certificates | option, `AWS_CA_BUNDLE`, the profile's `ca_bundle`, `CURL_CA_BUNDLE`, the system's |
///
/// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true`, or the profile's setting of that name, passes over every endpoint but the
/// option's. See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
public struct EndpointResolution: Sendable, Equatable {
    /// The store's address.
    public var endpoint: EndpointURL
    /// The region that requests are signed for.
    public var region: String
    /// Where the bucket's name stands in a URL.
    public var addressing: S3Configuration.AddressingStyle
    /// A file of trusted certificates; nil for the system's.
    public var caBundle: String?

    /// What the command line says; nil where it says nothing.
    public struct Choices: Sendable, Equatable {
        /// `--endpoint-url`
        public var endpoint: EndpointURL?
        /// `--region`
        public var region: String?
        /// `--addressing`
        public var addressing: AddressingChoice?
        /// `--ca-bundle`
        public var caBundle: String?

        /// Choices of the given values.
        public init(
            endpoint: EndpointURL? = nil, region: String? = nil, addressing: AddressingChoice? = nil,
            caBundle: String? = nil
        ) {
            self.endpoint = endpoint
            self.region = region
            self.addressing = addressing
            self.caBundle = caBundle
        }
    }

    /// Resolves the address of `bucket`.
    /// - Throws: where the variable or setting that counts is malformed.
    public init(bucket: String, choices: Choices, environment: [String: String], profile: Profile?)
        throws(ConfigurationError)
    {
        let configured = try Self.configuredRegion(choices, environment, profile)
        let endpoint = try Self.configuredEndpoint(choices, environment, profile)
        region = configured ?? endpoint?.regionInHost ?? "us-east-1"
        self.endpoint = endpoint ?? EndpointURL(awsRegion: region)
        let choice: AddressingChoice
        if let chosen = choices.addressing {
            choice = chosen
        } else {
            choice = try profile?.addressing() ?? .auto
        }
        addressing =
            switch choice {
            case .path: .path
            case .virtual: .virtualHost
            case .auto: Self.addressing(of: bucket, at: self.endpoint)
            }
        if let path = choices.caBundle ?? environment.setting("AWS_CA_BUNDLE") {
            caBundle = path
        } else {
            caBundle = try profile?.caBundle() ?? environment.setting("CURL_CA_BUNDLE")
        }
    }

    /// Virtual-host style for AWS's own hosts, as far as the bucket's name can be part of a host's: a name with dots does
    /// not match AWS's certificates, one with capitals is no host's name.
    private static func addressing(of bucket: String, at endpoint: EndpointURL) -> S3Configuration.AddressingStyle {
        guard endpoint.isAWS else { return .path }
        if endpoint.isSecure, bucket.utf8.contains(UInt8(ascii: ".")) { return .path }
        let isHostName = bucket.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        return isHostName ? .virtualHost : .path
    }

    static func configuredRegion(_ choices: Choices, _ environment: [String: String], _ profile: Profile?)
        throws(ConfigurationError) -> String?
    {
        if let region = choices.region { return region }
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            guard let region = environment.setting(name) else { continue }
            guard EndpointURL.isRegion(region) else {
                throw ConfigurationError("the environment's \(name): a region such as eu-central-1 expected")
            }
            return region
        }
        return try profile?.region()
    }

    private static func configuredEndpoint(_ choices: Choices, _ environment: [String: String], _ profile: Profile?)
        throws(ConfigurationError) -> EndpointURL?
    {
        if let endpoint = choices.endpoint { return endpoint }
        if let flag = environment.setting("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            if flag.lowercased() == "true" { return nil }
        } else if try profile?.ignoresEndpoints() ?? false {
            return nil
        }
        for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
            guard let url = environment.setting(name) else { continue }
            do {
                return try EndpointURL(url)
            } catch {
                throw ConfigurationError("the environment's \(name): \(error.message)")
            }
        }
        return try profile?.endpoint()
    }
}
