/// Looks for keys in all the places where AWS's tools and s3fs look, in this order; the first place that has some ends it:
///
/// 1. `--anonymous`: none, requests are not signed.
/// 2. `--passwd-file FILE`: that file alone.
/// 3. What an option asks for: the container's service, the instance's (s3fs's `ecs`, `iam_role`).
/// 4. `--profile NAME`: that profile alone.
/// 5. The environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, or s3fs's old spellings
///    `AWSACCESSKEYID`, `AWSSECRETACCESSKEY`, `AWSSESSIONTOKEN`.
/// 6. The file that `AWS_CREDENTIAL_FILE` names, in the format of ``PasswdFile``.
/// 7. The profile of `AWS_PROFILE` (or `AWS_DEFAULT_PROFILE`, or `default`) in AWS's credentials and config files: a role,
///    single sign-on, keys, a program; see `Profile.source(in:)`. But a token in a file that the environment names
///    (`AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`) comes before all of these but a role.
/// 8. `~/.passwd-s3fs`, then `/etc/passwd-s3fs`.
/// 9. The container's service, where the environment names one (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `…_FULL_URI`).
/// 10. EC2's metadata service.
///
/// A place that is there and malformed, or open to others, is an error and not passed over: the next place might hold the
/// keys of another account.
public struct CredentialsSearch: Sendable {
    /// The bucket, for files that hold keys by bucket.
    public var bucket: String
    /// `--anonymous`
    public var isAnonymous: Bool
    /// `--passwd-file`
    public var passwdFile: String?
    /// `--profile`
    public var profile: String?
    /// The environment.
    public var environment: [String: String]
    /// Where the files are.
    public var paths: SharedPaths
    /// How EC2's metadata service may be asked.
    public var metadata = InstanceMetadata.Version.v2
    /// A service that is asked, and no other place.
    public var service: Service?
    /// The region where neither the environment nor a profile names one.
    public var region: String?

    /// A service that gives keys.
    public enum Service: Sendable, Equatable {
        /// That of the container (ECS, EKS).
        case container
        /// That of the EC2 instance; nil for the instance's own role.
        case instance(role: String?)
    }

    /// A search with the given choices; the files' places follow from the environment.
    public init(
        bucket: String, isAnonymous: Bool = false, passwdFile: String? = nil, profile: String? = nil,
        environment: [String: String], paths: SharedPaths? = nil
    ) {
        self.bucket = bucket
        self.isAnonymous = isAnonymous
        self.passwdFile = passwdFile
        self.profile = profile
        self.environment = environment
        self.paths = paths ?? SharedPaths(environment: environment)
    }

    /// The profile that settings and keys are taken from.
    public var profileName: String {
        profile ?? environment.setting("AWS_PROFILE") ?? environment.setting("AWS_DEFAULT_PROFILE") ?? "default"
    }

    /// Whether somebody asked for the profile, so that it must be there.
    private var isProfileNamed: Bool {
        profile != nil || environment.setting("AWS_PROFILE") != nil
            || environment.setting("AWS_DEFAULT_PROFILE") != nil
    }

    /// What a search found.
    struct Finding: Sendable, Equatable {
        /// How to get the keys; nil for anonymous requests.
        var source: CredentialsSource?
        /// The place, for the log.
        var origin: String
        /// What to say where nothing but EC2's service is left to ask and it is not there.
        var lastWords: String?

        /// The keys that are there already.
        var credentials: Credentials? { source?.keys }
    }

    /// The files that a search may read, those not there included: what it finds can change only when one of them does.
    var files: [String] {
        if isAnonymous { return [] }
        if let passwdFile { return [passwdFile] }
        let shared = [paths.credentials, paths.config]
        let all =
            profile != nil
            ? shared : [paths.named] + shared + [paths.passwd, paths.systemPasswd]
        return all.compactMap { $0 }
    }

    /// Reads the shared files and returns the profile; nil where nobody named one and there is no `default`.
    public func loadProfile() throws(ConfigurationError) -> Profile? {
        let profile = try SharedConfiguration(reading: paths).profile(profileName)
        if profile == nil, isProfileNamed {
            let places = [paths.credentials, paths.config].compactMap { $0 }.joined(separator: " nor ")
            throw ConfigurationError(
                "there is no profile \"\(profileName)\"" + (places.isEmpty ? "" : ", neither in \(places)"))
        }
        return profile
    }

    /// Searches. At most five small files are read; nobody is asked.
    func find() throws(ConfigurationError) -> Finding {
        if isAnonymous { return Finding(source: nil, origin: "none (anonymous)") }
        if let passwdFile {
            guard let found = try search(passwdFile: passwdFile) else {
                throw ConfigurationError(file: passwdFile, "there is no such file")
            }
            guard let credentials = found.credentials(for: bucket) else {
                throw ConfigurationError(file: passwdFile, "no key for bucket \"\(bucket)\", and none for all buckets")
            }
            return Finding(source: .keys(credentials), origin: passwdFile)
        }
        if let service { return try find(in: service) }
        if profile != nil {
            guard let finding = try findInProfile() else {
                throw ConfigurationError(
                    "profile \"\(profileName)\" holds no aws_access_key_id and aws_secret_access_key, and names no other way to keys"
                )
            }
            return finding
        }
        if let credentials = try Self.findInEnvironment(environment) {
            return Finding(source: .keys(credentials), origin: "the environment")
        }
        if let path = paths.named {
            guard let found = try search(passwdFile: path) else {
                throw ConfigurationError(file: path, "there is no such file (named by AWS_CREDENTIAL_FILE)")
            }
            if let credentials = found.credentials(for: bucket) {
                return Finding(source: .keys(credentials), origin: path)
            }
        }
        let webIdentity = try webIdentityInEnvironment()
        // A profile that is not used must not hold the mount up.
        let inProfile = webIdentity == nil ? try findInProfile() : try? findInProfile()
        if let webIdentity {
            if let inProfile, case .role = inProfile.source { return inProfile }
            return Finding(source: .webIdentity(webIdentity), origin: "AWS_WEB_IDENTITY_TOKEN_FILE")
        }
        if let inProfile { return inProfile }
        for path in [paths.passwd, paths.systemPasswd].compactMap({ $0 }) {
            if let credentials = try search(passwdFile: path)?.credentials(for: bucket) {
                return Finding(source: .keys(credentials), origin: path)
            }
        }
        if let endpoint = try ContainerEndpoint(environment: environment) {
            return Finding(source: .container(endpoint), origin: Self.containerOrigin)
        }
        let nothing =
            "no credentials found: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, nor keys for "
            + "bucket \"\(bucket)\" in \(files.joined(separator: ", "))"
        let advice = "; for a public bucket use --anonymous"
        let instance = try InstanceMetadata(
            environment: environment, profile: nil, version: metadata, isLastResort: true)
        guard let instance else { throw ConfigurationError(nothing + advice) }
        return Finding(
            source: .instance(instance), origin: Self.instanceOrigin,
            lastWords: nothing + ", nor a role of an EC2 instance" + advice)
    }

    private static let containerOrigin = "the container's credentials service"
    private static let instanceOrigin = "EC2's metadata service"

    private func find(in service: Service) throws(ConfigurationError) -> Finding {
        switch service {
        case .container:
            guard let endpoint = try ContainerEndpoint(environment: environment) else {
                throw ConfigurationError(
                    "the environment has neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI"
                )
            }
            return Finding(source: .container(endpoint), origin: Self.containerOrigin)
        case .instance(let role):
            let instance = try InstanceMetadata(
                environment: environment, profile: nil, version: metadata, isLastResort: false, role: role)
            guard let instance else {
                throw ConfigurationError("EC2's metadata service is turned off (AWS_EC2_METADATA_DISABLED)")
            }
            return Finding(source: .instance(instance), origin: Self.instanceOrigin)
        }
    }

    private func search(passwdFile path: String) throws(ConfigurationError) -> PasswdFile? {
        let bytes = try ConfigurationFile.read(path, objection: { PasswdFile.objection(toMode: $0, ofFile: path) })
        guard let bytes else { return nil }
        return try PasswdFile(parsing: bytes, file: path)
    }

    private func findInProfile() throws(ConfigurationError) -> Finding? {
        guard let profile = try loadProfile() else { return nil }
        let surroundings = Profile.Surroundings(
            shared: try SharedConfiguration(reading: paths), environment: environment, paths: paths, region: region,
            metadata: metadata)
        guard let source = try profile.source(in: surroundings) else { return nil }
        return Finding(source: source, origin: "profile \"\(profileName)\"")
    }

    /// `AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`, as EKS sets them.
    private func webIdentityInEnvironment() throws(ConfigurationError) -> WebIdentity? {
        guard let file = environment.setting("AWS_WEB_IDENTITY_TOKEN_FILE") else { return nil }
        guard let arn = environment.setting("AWS_ROLE_ARN") else {
            throw ConfigurationError("the environment has AWS_WEB_IDENTITY_TOKEN_FILE, but no AWS_ROLE_ARN")
        }
        let profile = try? loadProfile()
        let configured = try EndpointResolution.configuredRegion(.init(), environment, profile)
        return WebIdentity(
            arn: arn, sessionName: environment.setting("AWS_ROLE_SESSION_NAME") ?? "pail", tokenFile: file,
            endpoint: try ServiceEndpoint.url(
                of: "sts", region: configured ?? region, environment: environment, profile: profile))
    }

    static func findInEnvironment(_ environment: [String: String]) throws(ConfigurationError) -> Credentials? {
        let spellings = [
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
            ("AWSACCESSKEYID", "AWSSECRETACCESSKEY", "AWSSESSIONTOKEN"),
        ]
        for (keyName, secretName, tokenName) in spellings {
            let key = environment.setting(keyName)
            let secret = environment.setting(secretName)
            switch (key, secret) {
            case (let key?, let secret?):
                let token = environment.setting(tokenName)
                for (name, value) in [(keyName, key), (secretName, secret), (tokenName, token ?? "")]
                where value.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) {
                    throw ConfigurationError("the environment's \(name): one word expected, without white space")
                }
                return Credentials(accessKeyID: key, secretAccessKey: secret, sessionToken: token)
            case (_?, nil): throw ConfigurationError("the environment has \(keyName), but no \(secretName)")
            case (nil, _?): throw ConfigurationError("the environment has \(secretName), but no \(keyName)")
            case (nil, nil): continue
            }
        }
        return nil
    }
}
