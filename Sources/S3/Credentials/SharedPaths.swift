internal import Glibc

/// Where a user's configuration and credentials files are, by AWS's and s3fs's conventions.
public struct SharedPaths: Sendable, Equatable {
    /// `$AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`; nil without a home.
    public var credentials: String?
    /// `$AWS_CONFIG_FILE`, else `~/.aws/config`; nil without a home.
    public var config: String?
    /// `$AWS_CREDENTIAL_FILE`: a file in the format of ``PasswdFile``; nil where that is not set.
    public var named: String?
    /// `~/.passwd-s3fs`; nil without a home.
    public var passwd: String?
    /// `/etc/passwd-s3fs`
    public var systemPasswd: String
    /// `~/.aws/sso/cache`, where `aws sso login` leaves its tokens; nil without a home.
    public var ssoCache: String?

    /// Paths of the given values.
    public init(
        credentials: String? = nil, config: String? = nil, named: String? = nil, passwd: String? = nil,
        systemPasswd: String = "/etc/passwd-s3fs"
    ) {
        self.credentials = credentials
        self.config = config
        self.named = named
        self.passwd = passwd
        self.systemPasswd = systemPasswd
    }

    /// Paths by the environment. The home is `$HOME`, else that of the user database; `~/` at the beginning of the two
    /// variables stands for it, as in the SDKs.
    public init(environment: [String: String]) {
        let home = environment.setting("HOME") ?? Self.homeOfUser()
        func expand(_ path: String) -> String {
            guard let home, path.utf8.starts(with: "~/".utf8) else { return path }
            return home + path.dropFirst(1)
        }
        credentials =
            environment.setting("AWS_SHARED_CREDENTIALS_FILE").map(expand) ?? home.map { $0 + "/.aws/credentials" }
        config = environment.setting("AWS_CONFIG_FILE").map(expand) ?? home.map { $0 + "/.aws/config" }
        named = environment.setting("AWS_CREDENTIAL_FILE")
        passwd = home.map { $0 + "/.passwd-s3fs" }
        systemPasswd = PasswdFile.systemPath
        ssoCache = home.map { $0 + "/.aws/sso/cache" }
    }

    private static func homeOfUser() -> String? {
        var record = passwd_entry()
        var buffer = [CChar](repeating: 0, count: 16384)
        var found: UnsafeMutablePointer<passwd_entry>?
        guard getpwuid_r(getuid(), &record, &buffer, buffer.count, &found) == 0, found != nil,
            let directory = record.pw_dir
        else { return nil }
        return String(cString: directory)
    }
}

private typealias passwd_entry = Glibc.passwd

extension [String: String] {
    /// A variable's value; nil where it is not set or empty, which AWS's tools take for the same.
    func setting(_ name: String) -> String? {
        guard let value = self[name], !value.isEmpty else { return nil }
        return value
    }
}
