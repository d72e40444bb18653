import Glibc
import Synchronization

/// SIGUSR1 and SIGUSR2 of a process that serves a mount, taken as data by the main thread, which has nothing else to do.
///
/// They are blocked in all threads, before the second one starts. Those that come before anybody cares are dropped: their
/// default would end the process.
enum UserSignals {
    private static let handler = Mutex<(@Sendable (Int32) -> Void)?>(nil)

    private static var handled: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGUSR1)
        sigaddset(&set, SIGUSR2)
        return set
    }

    /// Blocks them in this thread and those it starts from here on.
    static func block() {
        var set = handled
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Takes them on the calling thread, for ever.
    static func take() -> Never {
        var set = handled
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            handler.withLock { $0 }?(number)
        }
    }

    /// Says what to do for one. Called on the main thread, one signal after the other.
    static func handle(_ body: @escaping @Sendable (Int32) -> Void) {
        handler.withLock { $0 = body }
    }
}
