import CFuse
import Glibc
import Synchronization
import SystemPackage

/// A thread of our own: libfuse's blocking calls have no place on Swift's cooperative pool.
///
/// All signals but the one that `wake` sends are blocked in it, so that signals for the process reach ``SignalSource``.
///
/// Whoever lets go of it without having joined it leaves the thread to itself: it runs on, and its stack goes with its end.
final class PosixThread: Sendable {
    private let handle: pthread_t
    private let isJoined = Atomic<Bool>(false)

    /// Interrupts a blocking system call. A real-time signal far from both ends, which glibc and other libraries use.
    private static let wakeSignal = __libc_current_sigrtmin() + 7

    /// Installed once: without `SA_RESTART` the system call returns `EINTR`.
    private static let installHandler: Void = {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(wakeSignal, &action, nil)
    }()

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread. `name` is cut to 15 bytes, which is what the kernel keeps.
    /// - Throws: `EAGAIN` where the system has no room for another thread.
    init(name: String, body: @escaping @Sendable () -> Void) throws(Errno) {
        _ = Self.installHandler
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        // Address space only; enough for a file system's verbs, little enough for RLIMIT_AS.
        pthread_attr_setstacksize(&attributes, 1 << 20)
        let start = Unmanaged.passRetained(Start(name: String(name.prefix(15)), body: body))

        // Created with all signals blocked, so that none meets the thread before its own mask is set.
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        var handle = pthread_t()
        let result = pthread_create(
            &handle, &attributes,
            { argument in
                var mask = sigset_t()
                sigfillset(&mask)
                sigdelset(&mask, PosixThread.wakeSignal)
                for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] { sigdelset(&mask, fault) }
                pthread_sigmask(SIG_SETMASK, &mask, nil)
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                pthread_setname_np(pthread_self(), start.name)
                start.body()
                return nil
            }, start.toOpaque())
        pthread_sigmask(SIG_SETMASK, &previous, nil)
        guard result == 0 else {
            start.release()
            throw Errno(rawValue: result)
        }
        self.handle = handle
    }

    deinit {
        // A thread that is neither joined nor detached keeps its stack for ever: see pthread_detach(3).
        if !isJoined.load(ordering: .relaxed) { pthread_detach(handle) }
    }

    /// Makes the system call that the thread is in, if any, return `EINTR`. Not to be called after `join`.
    func wake() { pthread_kill(handle, Self.wakeSignal) }

    /// Waits for the thread's end. Exactly once.
    func join() {
        pthread_join(handle, nil)
        isJoined.store(true, ordering: .relaxed)
    }

    /// Waits for the thread's end for at most `nanoseconds`. True where it ended: do not join again.
    func join(within nanoseconds: Int64) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        let sum = Int64(deadline.tv_nsec) + nanoseconds
        deadline.tv_sec += Int(sum / 1_000_000_000)
        deadline.tv_nsec = Int(sum % 1_000_000_000)
        guard pthread_timedjoin_np(handle, nil, &deadline) == 0 else { return false }
        isJoined.store(true, ordering: .relaxed)
        return true
    }
}
