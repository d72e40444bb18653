import Glibc
import Mount

/// A command's side of the talk with a mount's process.
final class ControlClient {
    /// The mount that is talked to.
    let mount: MountedFileSystem
    /// The path below its mount point that the person named: empty for all of it.
    let below: String
    private let connection: Int32
    private var buffer: [UInt8] = []

    /// Connects to the process that serves the file system in which `path` lies.
    /// - Parameter patience: how many seconds to wait for each answer; nil for as long as it takes.
    /// - Throws: `mountPoint` where that is no mount of Pail's, or its process does not listen.
    convenience init(toMountOf path: String, patience: Int? = nil) throws(CommandError) {
        let found: (mount: MountedFileSystem, below: String)
        do throws(MountError) {
            found = try MountedFileSystem.containing(path)
        } catch { throw CommandError(.mountPoint, "\(path): no bucket is mounted there") }
        try self.init(to: found.mount, below: found.below, patience: patience)
    }

    /// Connects to the process that serves a mount. See ``init(toMountOf:patience:)``.
    init(to mount: MountedFileSystem, below: String = "", patience: Int? = nil) throws(CommandError) {
        self.mount = mount
        self.below = below
        let candidates = ControlAddress.candidates(
            for: mount.device, uid: geteuid(), environment: ProcessState.environment())
        var reason = "no socket of it in \(candidates[0].split(separator: "/").dropLast().map { "/" + $0 }.joined())"
        var connected: Int32 = -1
        for candidate in candidates where access(candidate, F_OK) == 0 {
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            if ControlAddress.withSocketAddress(candidate, { connect(descriptor, $0, $1) == 0 }) ?? false {
                connected = descriptor
                break
            }
            reason = "\(candidate): \(String(cString: strerror(errno)))"
            Glibc.close(descriptor)
        }
        guard connected >= 0 else {
            throw CommandError(
                .mountPoint,
                "\(mount.source) on \(mount.mountPoint) (type \(mount.type)) cannot be asked: \(reason); its process may run in "
                    + "another container, under another user, or be no Pail")
        }
        connection = connected
        guard let patience else { return }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(connected, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    deinit { close(connection) }

    /// Sends a request.
    /// - Throws: `failure` where the process has ended meanwhile.
    func send(_ request: ControlRequest) throws(CommandError) {
        var rest = ControlLine.encode(request)[...]
        while !rest.isEmpty {
            let descriptor = connection
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw CommandError(.failure, "the process of \(mount.mountPoint) does not take requests")
            }
            rest = rest.dropFirst(count)
        }
    }

    /// The next line of the answer; nil where the other end has closed.
    func next() throws(CommandError) -> ControlReply? {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[..<end])
                buffer.removeSubrange(...end)
                guard let reply = ControlLine.decode(ControlReply.self, line) else {
                    throw CommandError(.failure, "the process of \(mount.mountPoint) answers what is no answer")
                }
                return reply
            }
            let count = read(connection, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                throw CommandError(.failure, "the process of \(mount.mountPoint) does not answer in time")
            }
            guard count > 0 else { return nil }
            buffer += chunk[..<count]
        }
    }

    /// Sends a request and returns the last line of its answer, handing the others to `progress`.
    func ask(
        _ request: ControlRequest, progress: (MountStatus.Pending) -> Void = { _ in }
    ) throws(CommandError) -> ControlReply {
        try send(request)
        while let reply = try next() {
            if let pending = reply.pending { progress(pending) }
            if let error = reply.error { throw CommandError(.failure, error) }
            if reply.isLast { return reply }
        }
        throw CommandError(.failure, "the process of \(mount.mountPoint) ended before it had answered")
    }
}
