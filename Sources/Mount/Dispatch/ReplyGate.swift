import Glibc
import Synchronization

/// Lets calls into libfuse's session through while it exists, and keeps it in existence while one is under way.
///
/// A verb may answer after the mount has ended (a store that takes its time to notice a cancelled request). Its reply would
/// reach into freed memory, or write to a descriptor number that names another file by then.
final class ReplyGate: Sendable {
    /// Calls under way, times two; plus one once the gate is closed.
    private let state = Atomic<Int>(0)

    /// Runs `body` and returns its result; nil where the gate is closed. The body must be short.
    func pass<Value>(_ body: () -> Value) -> Value? {
        guard state.add(2, ordering: .acquiring).oldValue & 1 == 0 else {
            state.subtract(2, ordering: .releasing)
            return nil
        }
        defer { state.subtract(2, ordering: .releasing) }
        return body()
    }

    /// Closes the gate and waits for the calls under way: each is one write(2) to /dev/fuse, which does not wait for anything.
    func close() {
        state.bitwiseOr(1, ordering: .acquiringAndReleasing)
        while state.load(ordering: .acquiring) & ~1 != 0 { usleep(100) }
    }
}
