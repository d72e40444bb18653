/// Where a store answers: the parsed form of `scheme://host[:port][/base]`.
struct Endpoint: Sendable, Equatable {
    /// `http` or `https`.
    var scheme: String
    /// The host in lower case; an IPv6 address in brackets.
    var host: String
    /// The port, where it is not the scheme's own.
    var port: Int?
    /// What comes before the bucket in the path: empty, or `/base`.
    var base: String

    /// Why an endpoint cannot be used.
    struct Malformed: Error, Sendable, Equatable, CustomStringConvertible {
        var description: String
    }

    /// An endpoint of the given text.
    init(_ text: String) throws(Malformed) {
        guard let colon = text.firstRange(of: "://") else {
            throw Malformed(description: "the endpoint \"\(text)\" does not begin with http:// or https://")
        }
        scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw Malformed(description: "the endpoint \"\(text)\" does not begin with http:// or https://")
        }
        let rest = text[colon.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var path = String(rest[authority.endIndex...])
        guard !path.utf8.contains(where: { $0 <= 32 || $0 >= 127 || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") })
        else { throw Malformed(description: "the endpoint \"\(text)\" holds more than a host, a port and a plain path") }
        while path.hasSuffix("/") { path.removeLast() }
        base = path
        guard !authority.contains("@") else {
            throw Malformed(description: "the endpoint must not hold a user name or a password")
        }
        var name = authority
        var digits: Substring?
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else {
                throw Malformed(description: "the endpoint \"\(text)\" lacks a closing bracket")
            }
            let after = authority.index(after: bracket)
            name = authority[..<after]
            if after < authority.endIndex {
                guard authority[after] == ":" else {
                    throw Malformed(description: "the endpoint \"\(text)\" has no proper port")
                }
                digits = authority[authority.index(after: after)...]
            }
        } else if let mark = authority.firstIndex(of: ":") {
            name = authority[..<mark]
            digits = authority[authority.index(after: mark)...]
        }
        host = name.lowercased()
        let isHostByte: (UInt8) -> Bool = { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"),
                UInt8(ascii: "%"):
                true
            default: false
            }
        }
        guard !host.isEmpty, host.utf8.allSatisfy(isHostByte) else {
            throw Malformed(description: "the endpoint \"\(text)\" has no proper host name")
        }
        if let digits {
            guard let number = HTTPHeaders.parseDecimal(digits.utf8), number >= 1, number <= 65_535 else {
                throw Malformed(description: "the endpoint \"\(text)\" has no proper port")
            }
            port = number == (scheme == "http" ? 80 : 443) ? nil : Int(number)
        }
    }

    /// The value of `Host` for a host, this endpoint's port included.
    func authority(host: String) -> String { port.map { "\(host):\($0)" } ?? host }

    /// The same endpoint as a person writes it.
    var text: String { "\(scheme)://\(authority(host: host))\(base)" }
}
