import Glibc
import Logging
import Synchronization

/// Answers `pail status`, `sync`, `refresh` and `umount` for a mount, on a Unix socket.
///
/// One thread accepts and reads the request, a line; a task answers it. Only the mount's own user and root are heard
/// (`SO_PEERCRED`, see unix(7)): others would see keys and could make the mount work. A client that does not send its line
/// within a second, or does not take its answer within five, is cut off.
///
/// A mount without a socket is a mount all the same: where it cannot be made, the log says so and nothing else happens.
final class ControlServer: Sendable {
    /// What the requests are answered with.
    protocol Responder: Sendable {
        /// The state now.
        func status() async -> MountStatus
        /// Asks the store for the bucket: nil where it answers, else a sentence.
        func check() async -> String?
        /// What is pending now.
        func pending() async -> MountStatus.Pending
        /// Stores all below the path; throws nothing: returns a sentence where something is left.
        func sync(_ path: String) async -> String?
        /// Forgets what is cached; the number of files and directories.
        func refresh(_ path: String) async -> Int
    }

    private let path: String
    private let listener: Int32
    private let responder: any Responder
    private let logger: Logger
    /// Connections whose clients want to be told of the end.
    private let watchers = Mutex<[Int32]>([])
    private let isClosed = Atomic<Bool>(false)

    /// Listens at `path`, in place of what an earlier process left there. Nil where that cannot be.
    init?(path: String, responder: any Responder, logger: Logger) {
        let directory = path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        mkdir(directory, 0o700)
        var status = stat()
        guard lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else {
            logger.warning(
                "\(directory) is not this user's own directory: pail status and pail sync cannot reach the mount")
            return nil
        }
        unlink(path)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let descriptor = listener
        let isBound = ControlAddress.withSocketAddress(path) { bind(descriptor, $0, $1) == 0 } ?? false
        guard descriptor >= 0, isBound, listen(descriptor, 16) == 0 else {
            logger.warning(
                "\(path) cannot be listened on (\(String(cString: strerror(errno)))): pail status and pail sync cannot reach the mount"
            )
            if descriptor >= 0 { Glibc.close(descriptor) }
            return nil
        }
        chmod(path, 0o600)
        self.path = path
        self.responder = responder
        self.logger = logger
        var thread = pthread_t()
        let unmanaged = Unmanaged.passRetained(self)
        let failure = pthread_create(
            &thread, nil,
            { argument in
                let server = Unmanaged<ControlServer>.fromOpaque(argument!).takeRetainedValue()
                ProcessState.nameThread("pail-control")
                server.acceptAll()
                return nil
            }, unmanaged.toOpaque())
        guard failure == 0 else {
            unmanaged.release()
            Glibc.close(descriptor)
            return nil
        }
        pthread_detach(thread)
    }

    /// Tells whoever watches how the mount ended, and stops. Once.
    func close(_ outcome: ControlReply) {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        unlink(path)
        shutdown(listener, Int32(SHUT_RDWR))
        // Left open: they close with the process, and so tell of its end.
        for connection in watchers.withLock({ $0 }) { Self.send(ControlLine.encode(outcome), to: connection) }
    }

    private func acceptAll() {
        while true {
            let connection = accept(listener, nil, nil)
            if isClosed.load(ordering: .acquiring) {
                if connection >= 0 { Glibc.close(connection) }
                break
            }
            guard connection >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if errno == EMFILE || errno == ENFILE || errno == ENOMEM {
                    usleep(100_000)
                    continue
                }
                break
            }
            _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
            guard Self.isFriend(connection), let request = Self.readRequest(from: connection) else {
                Glibc.close(connection)
                continue
            }
            Task.detached { [self] in await answer(request, on: connection) }
        }
        Glibc.close(listener)
    }

    /// Whether root or the mount's own user is at the other end.
    private static func isFriend(_ connection: Int32) -> Bool {
        // struct ucred, which Glibc's module leaves out: pid, uid, gid.
        var credentials: [UInt32] = [0, .max, .max]
        var size = socklen_t(12)
        guard getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0, size == 12 else {
            return false
        }
        return credentials[1] == 0 || credentials[1] == geteuid()
    }

    private static func readRequest(from connection: Int32) -> ControlRequest? {
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        limit.tv_sec = 5
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var line: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while line.count < ControlLine.longest {
            let count = read(connection, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            line += chunk[..<count]
            guard let end = line.firstIndex(of: UInt8(ascii: "\n")) else { continue }
            return ControlLine.decode(ControlRequest.self, line[..<end])
        }
        return nil
    }

    private func answer(_ request: ControlRequest, on connection: Int32) async {
        let path = request.path ?? ""
        var reply = ControlReply()
        switch request.command {
        case .status:
            reply.status = await responder.status()
            reply.done = 0
        case .check:
            reply.error = await responder.check()
            if reply.error == nil { reply.done = 0 }
        case .refresh: reply.done = await responder.refresh(path)
        case .sync:
            let progress = Task { [self] in await report(to: connection) }
            reply.error = await responder.sync(path)
            if reply.error == nil { reply.done = 0 }
            progress.cancel()
            await progress.value
        case .watch:
            // From here on ``close(_:)`` owns the connection, where it has not come before.
            let isTooLate = watchers.withLock { watchers in
                if isClosed.load(ordering: .acquiring) { return true }
                watchers.append(connection)
                return false
            }
            if isTooLate { Glibc.close(connection) } else { await report(to: connection) }
            return
        }
        Self.send(ControlLine.encode(reply), to: connection)
        Glibc.close(connection)
    }

    /// Tells what is pending every half second, until the task is cancelled, the server closes, or nobody listens.
    private func report(to connection: Int32) async {
        while !Task.isCancelled, !isClosed.load(ordering: .acquiring) {
            var reply = ControlReply()
            reply.pending = await responder.pending()
            reply.pending?.first = []
            if Task.isCancelled || isClosed.load(ordering: .acquiring) { return }
            guard Self.send(ControlLine.encode(reply), to: connection) else { return }
            try? await Task.sleep(for: .milliseconds(500))
        }
    }

    @discardableResult
    private static func send(_ bytes: [UInt8], to connection: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
