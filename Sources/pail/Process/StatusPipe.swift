import Glibc
import Synchronization

/// The mount process's end of the pipe to the `pail mount` that waits for it.
///
/// The variable ``variable`` names the descriptor. It is taken out of the environment at once, and the descriptor is closed at
/// `execve`, so that no program started from here holds the waiting command up.
final class StatusPipe: Sendable {
    /// The variable that tells a process that it is the background part, and where to report.
    static let variable = "PAIL_STATUS_FD"

    private let descriptor: Mutex<Int32?>

    private init(descriptor: Int32) { self.descriptor = Mutex(descriptor) }

    /// The pipe that this process inherited; nil where it was started by a person. Call before any thread is started: it
    /// changes the environment.
    static func inherited() -> StatusPipe? {
        guard let text = getenv(variable).map({ String(cString: $0) }) else { return nil }
        unsetenv(variable)
        var status = stat()
        guard let descriptor = Int32(text), descriptor > 2, fstat(descriptor, &status) == 0,
            status.st_mode & S_IFMT == S_IFIFO, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { return nil }
        return StatusPipe(descriptor: descriptor)
    }

    /// Sends the message and closes the pipe; later calls do nothing.
    /// - Returns: false where nobody listens any more: the command was ended by a signal.
    @discardableResult
    func send(_ message: StatusMessage) -> Bool {
        guard let descriptor = descriptor.withLock({ $0.take() }) else { return true }
        defer { close(descriptor) }
        var rest = message.encoded[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
