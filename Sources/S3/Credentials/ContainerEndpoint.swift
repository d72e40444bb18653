internal import Glibc

/// The credentials service of an ECS task or an EKS pod, as the environment names it.
///
/// Over http only addresses of this machine and of those two services are taken: a token must not go to anybody else. A
/// name is one of this machine only if it is `localhost`.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
struct ContainerEndpoint: Sendable, Equatable {
    /// ECS's service.
    static let relativeHost = "http://169.254.170.2"

    /// The whole URL.
    var url: String
    /// A file with the value of `Authorization`, read anew each time.
    var tokenFile: String?
    /// The value of `Authorization`, where no file is named.
    var token: String?

    /// The service that the environment names; nil where it names none.
    init?(environment: [String: String]) throws(ConfigurationError) {
        if let path = environment.setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            guard path.utf8.first == UInt8(ascii: "/"), Self.isPlain(path) else {
                throw ConfigurationError(
                    "the environment's AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: a path that begins with \"/\" expected")
            }
            url = Self.relativeHost + path
        } else if let full = environment.setting("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            url = full
            if let problem = Self.objection(to: full) {
                throw ConfigurationError("the environment's AWS_CONTAINER_CREDENTIALS_FULL_URI: \(problem)")
            }
        } else {
            return nil
        }
        tokenFile = environment.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        token = tokenFile == nil ? environment.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN") : nil
    }

    /// Why a URL must not be asked for credentials; nil where it may be.
    static func objection(to url: String) -> String? {
        let rest: Substring
        let isSecure: Bool
        if url.utf8.starts(with: "https://".utf8) {
            (isSecure, rest) = (true, url.dropFirst(8))
        } else if url.utf8.starts(with: "http://".utf8) {
            (isSecure, rest) = (false, url.dropFirst(7))
        } else {
            return "http://… or https://… expected"
        }
        guard isPlain(url) else { return "a URL without blanks and fragment expected" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.isEmpty, !authority.contains("@") else {
            return "a URL with a host and without a user expected"
        }
        if isSecure { return nil }
        let host: Substring
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return "\"]\" missing" }
            host = authority[authority.index(after: authority.startIndex)..<end]
        } else {
            host = authority.prefix { $0 != ":" }
        }
        return isTrusted(host: String(host))
            ? nil
            : "over http only an address of this machine or of ECS's or EKS's service is asked for credentials; use https"
    }

    /// Whether a host is this machine, 169.254.170.2 (ECS), 169.254.170.23 or fd00:ec2::23 (EKS).
    static func isTrusted(host: String) -> Bool {
        if host.lowercased() == "localhost" { return true }
        var v4 = in_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            let address = UInt32(bigEndian: v4.s_addr)
            return address >> 24 == 127 || address == 0xA9FE_AA02 || address == 0xA9FE_AA17
        }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, host, &v6) == 1 else { return false }
        let bytes = withUnsafeBytes(of: &v6) { Array($0) }
        var loopback = [UInt8](repeating: 0, count: 16)
        loopback[15] = 1
        var pods = [UInt8](repeating: 0, count: 16)
        (pods[0], pods[2], pods[3], pods[15]) = (0xFD, 0x0E, 0xC2, 0x23)
        return bytes == loopback || bytes == pods
    }

    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
    }
}
