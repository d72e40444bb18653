internal import ObjectStore

/// How a profile gets its keys, in the order of AWS's command line (botocore): a role with a source, a role with a token in a file, single
/// sign-on, keys, a program.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>.
extension Profile {
    /// What the environment adds to a profile.
    struct Surroundings: Sendable {
        var shared: SharedConfiguration
        var environment: [String: String]
        var paths: SharedPaths
        /// The region where no other is named.
        var region: String?
        /// How EC2's metadata service may be asked.
        var metadata: InstanceMetadata.Version
    }

    /// The plan; nil where the profile has no keys and names no way to any.
    /// - Throws: where a setting is missing, malformed, or needs a person (a code of a device).
    func source(in surroundings: Surroundings) throws(ConfigurationError) -> CredentialsSource? {
        if let role = try role(in: surroundings, visited: [], isSource: false) { return role }
        if let login = try singleSignOn(in: surroundings) { return .singleSignOn(login) }
        if let keys = try credentials() { return .keys(keys) }
        if let command = text("credential_process") { return .process(command: command) }
        return nil
    }

    /// The role of this profile with the source of its credentials; nil where it names no role.
    /// - Parameter isSource: another profile's role is taken with this one's credentials: its keys then count before its role.
    private func role(
        in surroundings: Surroundings, visited: [String], isSource: Bool
    ) throws(ConfigurationError) -> CredentialsSource? {
        guard let arn = text("role_arn") else { return nil }
        if isSource, try credentials() != nil { return nil }
        let region = try EndpointResolution.configuredRegion(.init(), surroundings.environment, self)
        let endpoint = try ServiceEndpoint.url(
            of: "sts", region: region ?? surroundings.region, environment: surroundings.environment, profile: self)
        let name = text("role_session_name") ?? surroundings.environment.setting("AWS_ROLE_SESSION_NAME") ?? "pail"
        if let file = text("web_identity_token_file") {
            return .webIdentity(
                WebIdentity(
                    arn: arn, sessionName: name, tokenFile: file, duration: try duration(), endpoint: endpoint))
        }
        if text("mfa_serial") != nil {
            throw problem(
                "mfa_serial",
                "a code of a device is needed for this role, and a mount cannot ask for one; use a profile with "
                    + "credential_process, or keys in the environment")
        }
        let role = AssumedRole(
            arn: arn, sessionName: name, externalID: text("external_id"), duration: try duration(), endpoint: endpoint,
            region: region ?? surroundings.region ?? "us-east-1")
        return .role(role, with: try base(in: surroundings, visited: visited + [self.name]))
    }

    /// With what the role is taken.
    private func base(in surroundings: Surroundings, visited: [String]) throws(ConfigurationError) -> CredentialsSource
    {
        switch (text("source_profile"), text("credential_source")) {
        case (_?, _?):
            throw problem("credential_source", "either source_profile or credential_source, not both")
        case (nil, nil):
            throw problem("role_arn", "a role needs source_profile, credential_source or web_identity_token_file")
        case (let name?, nil):
            guard let other = surroundings.shared.profile(name) else {
                throw problem("source_profile", "there is no profile \"\(name)\"")
            }
            let found: CredentialsSource?
            if name.utf8.elementsEqual(self.name.utf8) {
                found = try credentials().map { .keys($0) }
            } else {
                if visited.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
                    throw problem("source_profile", "the profiles name one another in a circle")
                }
                if let role = try other.role(in: surroundings, visited: visited, isSource: true) {
                    found = role
                } else if let keys = try other.credentials() {
                    found = .keys(keys)
                } else {
                    found = try other.source(in: surroundings)
                }
            }
            guard let found else {
                throw problem("source_profile", "profile \"\(name)\" has no keys and names no way to any")
            }
            return found
        case (nil, let source?):
            return try namedSource(source, in: surroundings)
        }
    }

    private func namedSource(_ name: String, in surroundings: Surroundings) throws(ConfigurationError)
        -> CredentialsSource
    {
        switch name.lowercased() {
        case "environment":
            if let keys = try CredentialsSearch.findInEnvironment(surroundings.environment) { return .keys(keys) }
            throw problem("credential_source", "the environment has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        case "ecscontainer":
            if let endpoint = try ContainerEndpoint(environment: surroundings.environment) {
                return .container(endpoint)
            }
            throw problem(
                "credential_source", "the environment has no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and no …_FULL_URI")
        case "ec2instancemetadata":
            let instance = try InstanceMetadata(
                environment: surroundings.environment, profile: self, version: surroundings.metadata,
                isLastResort: false)
            if let instance { return .instance(instance) }
            throw problem("credential_source", "EC2's metadata service is turned off")
        default:
            throw problem("credential_source", "Environment, Ec2InstanceMetadata or EcsContainer expected")
        }
    }

    /// `duration_seconds`
    private func duration() throws(ConfigurationError) -> Int? {
        guard let text = text("duration_seconds") else { return nil }
        guard let seconds = Int(text), (900...43_200).contains(seconds) else {
            throw problem("duration_seconds", "900 to 43200 expected")
        }
        return seconds
    }

    /// The login of this profile, with a session of its own (`sso_session`) or of the older form.
    private func singleSignOn(in surroundings: Surroundings) throws(ConfigurationError) -> SingleSignOn? {
        let session = text("sso_session")
        guard session != nil || text("sso_start_url") != nil else { return nil }
        func need(_ name: String, _ value: String?) throws(ConfigurationError) -> String {
            guard let value, !value.isEmpty else {
                throw problem(session == nil ? "sso_start_url" : "sso_session", "\(name) is missing")
            }
            return value
        }
        let start: String
        let region: String
        if let session {
            guard let section = surroundings.shared.section("sso-session", session) else {
                throw problem("sso_session", "there is no section [sso-session \(session)]")
            }
            start = try need("sso_start_url", section.property("sso_start_url")?.value)
            region = try need("sso_region", section.property("sso_region")?.value)
        } else {
            start = try need("sso_start_url", text("sso_start_url"))
            region = try need("sso_region", text("sso_region"))
        }
        guard EndpointURL.isRegion(region) else {
            throw problem(session == nil ? "sso_region" : "sso_session", "sso_region: a region expected")
        }
        guard let folder = surroundings.paths.ssoCache else {
            throw problem("sso_session", "without a home directory there is no ~/.aws/sso/cache")
        }
        let account = try need("sso_account_id", text("sso_account_id"))
        let role = try need("sso_role_name", text("sso_role_name"))
        let name = Hexadecimal.string(Digest.sha1(Array((session ?? start).utf8)))
        return SingleSignOn(
            profile: self.name, cacheFile: "\(folder)/\(name).json", account: account, role: role,
            endpoint: try ServiceEndpoint.url(
                of: "sso", region: region, environment: surroundings.environment, profile: self))
    }
}

/// The address of an AWS service other than S3.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
enum ServiceEndpoint {
    /// By `AWS_ENDPOINT_URL_STS` (or the like), `AWS_ENDPOINT_URL`, the profile's `services` section and `endpoint_url`, else AWS's own
    /// of the region.
    static func url(
        of service: String, region: String?, environment: [String: String], profile: Profile?
    ) throws(ConfigurationError) -> EndpointURL {
        if try !ignoresConfigured(environment, profile) {
            for name in ["AWS_ENDPOINT_URL_\(service.uppercased())", "AWS_ENDPOINT_URL"] {
                guard let url = environment.setting(name) else { continue }
                do throws(EndpointURL.Malformed) {
                    return try EndpointURL(url)
                } catch {
                    throw ConfigurationError("the environment's \(name): \(error.message)")
                }
            }
            if let url = try profile?.endpoint(of: service) { return url }
        }
        let region = region ?? "us-east-1"
        let suffix = region.utf8.starts(with: "cn-".utf8) ? ".cn" : ""
        let host = service == "sso" ? "portal.sso" : service
        do throws(EndpointURL.Malformed) {
            return try EndpointURL("https://\(host).\(region).amazonaws.com\(suffix)")
        } catch {
            throw ConfigurationError("the region is malformed: \(error.message)")
        }
    }

    private static func ignoresConfigured(_ environment: [String: String], _ profile: Profile?)
        throws(ConfigurationError) -> Bool
    {
        if let flag = environment.setting("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") { return flag.lowercased() == "true" }
        return try profile?.ignoresEndpoints() ?? false
    }
}
