/// Looks for keys in all the places where AWS's tools and s3fs look, in this order; the first place that has some ends it:
///
/// 1. `--anonymous`: none, requests are not signed.
/// 2. `--passwd-file FILE`: that file alone.
/// 3. `--profile NAME`: that profile alone.
/// 4. The environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, or s3fs's old spellings
///    `AWSACCESSKEYID`, `AWSSECRETACCESSKEY`, `AWSSESSIONTOKEN`.
/// 5. The file that `AWS_CREDENTIAL_FILE` names, in the format of ``PasswdFile``.
/// 6. The profile of `AWS_PROFILE` (or `AWS_DEFAULT_PROFILE`, or `default`) in AWS's credentials and config files.
/// 7. `~/.passwd-s3fs`, then `/etc/passwd-s3fs`.
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
        /// The keys; nil for anonymous requests.
        var credentials: Credentials?
        /// The place, for the log.
        var origin: String
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

    /// Searches. At most five small files are read.
    func find() throws(ConfigurationError) -> Finding {
        if isAnonymous { return Finding(credentials: nil, origin: "none (anonymous)") }
        if let passwdFile {
            guard let found = try search(passwdFile: passwdFile) else {
                throw ConfigurationError(file: passwdFile, "there is no such file")
            }
            guard let credentials = found.credentials(for: bucket) else {
                throw ConfigurationError(file: passwdFile, "no key for bucket \"\(bucket)\", and none for all buckets")
            }
            return Finding(credentials: credentials, origin: passwdFile)
        }
        if profile != nil {
            guard let finding = try findInProfile() else {
                throw ConfigurationError(
                    "profile \"\(profileName)\" holds no aws_access_key_id and aws_secret_access_key")
            }
            return finding
        }
        if let credentials = try findInEnvironment() {
            return Finding(credentials: credentials, origin: "the environment")
        }
        if let path = paths.named {
            guard let found = try search(passwdFile: path) else {
                throw ConfigurationError(file: path, "there is no such file (named by AWS_CREDENTIAL_FILE)")
            }
            if let credentials = found.credentials(for: bucket) {
                return Finding(credentials: credentials, origin: path)
            }
        }
        if let finding = try findInProfile() { return finding }
        for path in [paths.passwd, paths.systemPasswd].compactMap({ $0 }) {
            if let credentials = try search(passwdFile: path)?.credentials(for: bucket) {
                return Finding(credentials: credentials, origin: path)
            }
        }
        throw ConfigurationError(
            "no credentials found: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, nor keys for "
                + "bucket \"\(bucket)\" in \(files.joined(separator: ", ")); for a public bucket use --anonymous")
    }

    private func search(passwdFile path: String) throws(ConfigurationError) -> PasswdFile? {
        let bytes = try ConfigurationFile.read(path, objection: { PasswdFile.objection(toMode: $0, ofFile: path) })
        guard let bytes else { return nil }
        return try PasswdFile(parsing: bytes, file: path)
    }

    private func findInProfile() throws(ConfigurationError) -> Finding? {
        guard let profile = try loadProfile(), let credentials = try profile.credentials() else { return nil }
        return Finding(credentials: credentials, origin: "profile \"\(profileName)\"")
    }

    private func findInEnvironment() throws(ConfigurationError) -> Credentials? {
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
