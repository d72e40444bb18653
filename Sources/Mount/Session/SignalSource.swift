import CFuse
import Glibc
import SystemPackage

/// The signals that end a mount or ask something of it, read as data instead of interrupting whatever runs.
///
/// A signal handler may do next to nothing, so the signals are blocked in every thread and read from a signalfd(2) by the
/// thread that runs the mount. That works only if they are blocked before any other thread starts: call ``block()`` first thing
/// in `main`.
public enum SignalSource {
    /// Blocks SIGINT, SIGTERM and SIGHUP in this thread and those it starts from here on, and ignores SIGPIPE, which a
    /// socket closed by the other side would send.
    public static func block() {
        var set = handled
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// What ``block()`` blocks and a mount reads.
    static var handled: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
        return set
    }
}

/// A signalfd(2) of the handled signals, readable without blocking.
final class SignalDescriptor: Sendable {
    /// For poll(2).
    let descriptor: Int32

    /// - Throws: `EMFILE`, `ENFILE`, `ENOMEM`.
    init() throws(Errno) {
        var set = SignalSource.handled
        descriptor = pail_signalfd(&set)
        guard descriptor >= 0 else { throw .last }
    }

    /// The number of the next pending signal.
    func next() -> Int32? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while true {
            let count = read(descriptor, &info, size)
            if count < 0 && errno == EINTR { continue }
            return count == size ? Int32(bitPattern: info.ssi_signo) : nil
        }
    }

    deinit { close(descriptor) }
}
