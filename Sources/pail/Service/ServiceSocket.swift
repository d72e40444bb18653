import Glibc

/// The socket on which a service manager listens to its services: the datagrams of sd_notify(3), without libsystemd.
///
/// Nobody answers, and a manager that does not listen is no reason to fail: what cannot be sent is lost.
struct ServiceSocket: Sendable {
    /// The variable that names the socket: a path, or `@` and an abstract name.
    static let variable = "NOTIFY_SOCKET"

    private let address: String

    /// The socket that the environment names; nil where no manager listens, or in a way that Pail does not speak (`vsock:`).
    init?(environment: [String: String]) {
        guard let name = environment[Self.variable], let first = name.utf8.first, name.utf8.count > 1,
            first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
        else { return nil }
        address = name
    }

    /// Sends the lines as one message.
    /// - Returns: whether the manager's socket took it.
    @discardableResult
    func send(_ lines: [String]) -> Bool {
        guard !lines.isEmpty else { return true }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let message = Array(lines.joined(separator: "\n").utf8)
        return withAddress { address, length in
            while true {
                let count = message.withUnsafeBytes {
                    // Never to wait: a manager with a full queue is not to hold the mount up.
                    sendto(
                        descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT),
                        address,
                        length)
                }
                if count < 0, errno == EINTR { continue }
                return count == message.count
            }
        } ?? false
    }

    /// The address as sendto(2) takes it; nil for a name that is too long. See unix(7) for abstract names: they begin with a zero byte, and
    /// their length is the address's.
    private func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result? {
        if address.utf8.first == UInt8(ascii: "/") { return ControlAddress.withSocketAddress(address, body) }
        var result = sockaddr_un()
        result.sun_family = sa_family_t(AF_UNIX)
        let name = [0] + Array(address.utf8.dropFirst())
        guard name.count <= MemoryLayout.size(ofValue: result.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &result.sun_path) { $0.copyBytes(from: name) }
        let length = MemoryLayout.offset(of: \sockaddr_un.sun_path)! + name.count
        return withUnsafePointer(to: &result) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}
