import Glibc
import Mount

/// Where a mount's process can be talked to: a Unix socket named by the mount's device number, which any program finds in
/// /proc/self/mountinfo without asking the mount.
///
/// A mount of root's has it under /run/pail, a user's under `$XDG_RUNTIME_DIR/pail`, or `/tmp/pail-UID` where that is not set. The
/// directory is its owner's alone, and the server looks at who connects (see ``ControlServer``).
enum ControlAddress {
    /// The directory for the sockets of a user's mounts.
    static func directory(uid: UInt32, environment: [String: String]) -> String {
        if uid == 0 { return "/run/pail" }
        if let runtime = environment["XDG_RUNTIME_DIR"], runtime.utf8.first == UInt8(ascii: "/") {
            return runtime + "/pail"
        }
        return "/tmp/pail-\(uid)"
    }

    /// The socket of the file system `device` (`major:minor`) in `directory`.
    static func path(of device: String, in directory: String) -> String { directory + "/" + device + ".sock" }

    /// The places where the socket of a mount may be, the likeliest first: who asks may be another user than who mounted.
    static func candidates(for device: String, uid: UInt32, environment: [String: String]) -> [String] {
        var directories = [directory(uid: uid, environment: environment), "/run/pail"]
        if uid == 0 {
            for user in entries(of: "/run/user") { directories.append("/run/user/\(user)/pail") }
            for name in entries(of: "/tmp") where name.hasPrefix("pail-") { directories.append("/tmp/" + name) }
        }
        return directories.map { path(of: device, in: $0) }
    }

    private static func entries(of directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.utf8.first != UInt8(ascii: ".") { names.append(name) }
        }
        return names.sorted()
    }

    /// The address as bind(2) and connect(2) take it; nil for a path that is too long (108 bytes).
    static func withSocketAddress<T>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
