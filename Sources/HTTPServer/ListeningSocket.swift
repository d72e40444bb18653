import Glibc
public import SystemPackage

/// Sockets that are bound and listen, for ``HTTPServer``. Close-on-exec, so that no child keeps them.
public enum ListeningSocket {
    /// A Unix socket at `path`: see unix(7). The file of a server that has ended is replaced; one that still answers is not.
    /// - Parameter mode: who may connect: writing is connecting.
    /// - Returns: the descriptor, which is the caller's.
    /// - Throws: `EADDRINUSE` where somebody answers there or another kind of file is there, `ENAMETOOLONG` beyond 107 bytes, and what bind(2) and
    ///   listen(2) give.
    public static func unix(path: String, mode: UInt32 = 0o600) throws(Errno) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, !bytes.contains(0) else { throw .invalidArgument }
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .fileNameTooLong }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }

        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK, try !isAnswering(address) else { throw .addressInUse }
            unlink(path)
        }
        let descriptor = try open(AF_UNIX)
        return try closing(descriptor) { () throws(Errno) in
            // Before bind(2): the file has this mode from its first moment.
            guard fchmod(descriptor, mode) == 0 else { throw .last }
            try bindAndListen(descriptor, address)
            guard chmod(path, mode) == 0 else { throw .last }
        }
    }

    /// A TCP socket of `host`, a numeric address or a name (its first address), and `port`; port 0 takes any that is free.
    /// - Returns: the descriptor, which is the caller's.
    /// - Throws: `EADDRNOTAVAIL` where the host has no address, and what bind(2) and listen(2) give: `EADDRINUSE`, `EACCES`.
    public static func tcp(host: String, port: UInt16) throws(Errno) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &found) == 0, let found else { throw .addressNotAvailable }
        defer { freeaddrinfo(found) }
        let descriptor = try open(found.pointee.ai_family)
        return try closing(descriptor) { () throws(Errno) in
            var on: Int32 = 1
            // A server that was ended a moment ago has connections that wait for their time to be over.
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            guard bind(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0, listen(descriptor, 64) == 0
            else { throw .last }
        }
    }

    /// The port that a TCP socket is bound to; nil for other sockets.
    public static func port(of descriptor: Int32) -> UInt16? {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            let isKnown = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size) == 0
            }
            guard isKnown else { return nil }
            switch Int32(pointer.pointee.ss_family) {
            case AF_INET:
                return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    UInt16(bigEndian: $0.pointee.sin_port)
                }
            case AF_INET6:
                return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    UInt16(bigEndian: $0.pointee.sin6_port)
                }
            default: return nil
            }
        }
    }

    private static func open(_ family: Int32) throws(Errno) -> Int32 {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .last }
        return descriptor
    }

    private static func closing(_ descriptor: Int32, _ body: () throws(Errno) -> Void) throws(Errno) -> Int32 {
        do {
            try body()
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static func isAnswering(_ address: sockaddr_un) throws(Errno) -> Bool {
        let descriptor = try open(AF_UNIX)
        defer { close(descriptor) }
        return withSocketAddress(address) { connect(descriptor, $0, $1) } == 0
    }

    private static func bindAndListen(_ descriptor: Int32, _ address: sockaddr_un) throws(Errno) {
        guard withSocketAddress(address, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 64) == 0 else {
            throw .last
        }
    }

    private static func withSocketAddress<T>(
        _ address: sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
    ) -> T {
        withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

extension Errno {
    /// What the last failed call of this thread left.
    static var last: Errno { Errno(rawValue: errno) }
}
