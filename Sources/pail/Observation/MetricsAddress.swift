import Glibc
import HTTPServer
import SystemPackage

/// Where metrics are served: `9464` (this machine only), `HOST:PORT`, `[IPv6]:PORT`, or the path of a Unix socket.
enum MetricsAddress: Sendable, Equatable, CustomStringConvertible {
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    /// Nil where the text is none of these.
    init?(_ text: String) {
        if text.utf8.first == UInt8(ascii: "/") {
            self = .unix(path: text)
            return
        }
        var host = "127.0.0.1"
        var digits = text[...]
        if let colon = text.lastIndex(of: ":") {
            host = String(text[..<colon])
            digits = text[text.index(after: colon)...]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = String(host.dropFirst().dropLast())
            } else if host.contains(":") || host.contains("[") {
                return nil
            }
            guard !host.isEmpty, !host.contains(where: { $0 == " " || $0 == "/" }) else { return nil }
        }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
            return nil
        }
        self = .tcp(host: host, port: port)
    }

    /// A socket that listens there; the caller's.
    func listen() throws(CommandError) -> Int32 {
        do throws(Errno) {
            switch self {
            case .tcp(let host, let port): return try ListeningSocket.tcp(host: host, port: port)
            case .unix(let path): return try ListeningSocket.unix(path: path)
            }
        } catch {
            throw CommandError(.configuration, "--metrics: \(self) cannot be listened on: \(error)")
        }
    }

    /// As a person writes it; the port that the system chose for 0.
    func text(of listener: Int32) -> String {
        guard case .tcp(let host, _) = self, let port = ListeningSocket.port(of: listener) else { return description }
        return Self.tcp(host: host, port: port).description
    }

    var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}
