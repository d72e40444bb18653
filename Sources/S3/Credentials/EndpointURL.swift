/// The address of an S3 service: `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:8333`.
public struct EndpointURL: Sendable, Equatable, CustomStringConvertible {
    /// Why a text is no endpoint.
    public struct Malformed: Error, Sendable, Equatable {
        /// What is wrong, without the text itself.
        public var message: String
    }

    /// Whether it is `https`.
    public let isSecure: Bool
    /// The host's name in lower case, or its address (one of IPv6 in brackets).
    public let host: String
    /// The port; nil for the scheme's own.
    public let port: Int?

    /// The path that the service lies under, without a slash at its end; empty for the root.
    public let path: String

    /// Reads `http://HOST[:PORT][/PATH]` or `https://HOST[:PORT][/PATH]`.
    public init(_ text: String) throws(Malformed) {
        let rest: Substring
        if let after = text.afterPrefix("https://") {
            (isSecure, rest) = (true, after)
        } else if let after = text.afterPrefix("http://") {
            (isSecure, rest) = (false, after)
        } else {
            throw Malformed(message: "http://HOST[:PORT] or https://HOST[:PORT] expected")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let tail = rest.dropFirst(authority.count)
        guard !tail.contains("?"), !tail.contains("#") else {
            throw Malformed(message: "no query and no fragment may follow the host and port")
        }
        guard tail.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !tail.contains("//") else {
            throw Malformed(message: "the path behind the host is malformed")
        }
        path = tail.last == "/" ? String(tail.dropLast()) : String(tail)
        guard !authority.contains("@") else {
            throw Malformed(message: "no user or password may stand in a URL; use the credentials' own places")
        }
        let name: Substring
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw Malformed(message: "\"]\" missing") }
            name = authority[...end]
            guard name.count > 2,
                name.dropFirst().dropLast().utf8.allSatisfy({ $0.isHexDigit || $0 == 0x3A || $0 == 0x2E })
            else { throw Malformed(message: "an IPv6 address expected in the brackets") }
        } else {
            name = authority.prefix { $0 != ":" }
            guard Self.isHostName(name) else { throw Malformed(message: "the host's name is missing or malformed") }
        }
        let behind = authority.dropFirst(name.count)
        if behind.isEmpty {
            port = nil
        } else {
            let digits = behind.dropFirst()
            guard behind.first == ":", digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
                (1...65535).contains(number)
            else { throw Malformed(message: "the port must be a number from 1 to 65535") }
            port = number
        }
        host = name.lowercased()
    }

    /// AWS's own endpoint for S3 in a region.
    public init(awsRegion region: String) {
        isSecure = true
        host = "s3.\(region).amazonaws.com" + (region.utf8.starts(with: "cn-".utf8) ? ".cn" : "")
        port = nil
        path = ""
    }

    /// The URL, without a slash at its end.
    public var url: String { (isSecure ? "https://" : "http://") + host + (port.map { ":\($0)" } ?? "") + path }

    /// The URL.
    public var description: String { url }

    /// Whether the host is one of AWS's.
    public var isAWS: Bool { host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn") }

    /// The region in the name of one of AWS's hosts, `s3.REGION.amazonaws.com`; nil where there is none.
    public var regionInHost: String? {
        guard isAWS else { return nil }
        let labels = host.split(separator: ".")
        guard let aws = labels.lastIndex(of: "amazonaws"), aws >= 2, labels[0] == "s3",
            Self.isRegion(String(labels[aws - 1]))
        else { return nil }
        return labels[aws - 1].contains("-") ? String(labels[aws - 1]) : nil
    }

    /// Whether a text can be a region's name: letters, digits, `-` and `_`, at most 64. Stores other than AWS take any.
    public static func isRegion(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isLetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    private static func isHostName(_ name: Substring) -> Bool {
        (1...253).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                $0.isLetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
            }
            && !name.split(separator: ".", omittingEmptySubsequences: false).dropLast().contains(where: \.isEmpty)
            && name != "."
    }
}

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}

extension String {
    /// What follows `prefix`, its case disregarded; nil where the text begins otherwise.
    fileprivate func afterPrefix(_ prefix: String) -> Substring? {
        self.prefix(prefix.count).lowercased() == prefix ? self.dropFirst(prefix.count) : nil
    }
}
