/// Lets one task at a time through a stretch of code that waits for the network, in order of arrival.
///
/// `Mutex` must not be held over an `await`; this is for the few places where an inode's requests have to follow one
/// another: a commit, a change of attributes, a rename, an unlink. A waiting task that is cancelled leaves the queue.
final class AsyncMutex: Sendable {
    private struct Holding: LockHolding {
        var isHeld = false

        mutating func take(_ mode: Void) -> Bool {
            if isHeld { return false }
            isHeld = true
            return true
        }

        mutating func giveBack(_ mode: Void) {
            precondition(isHeld, "unlocked twice")
            isHeld = false
        }
    }

    private let queue = WaiterQueue<Holding>()

    /// Runs `body` alone.
    /// - Throws: `CancellationError` if the task is cancelled while it waits; else what `body` throws.
    func withLock<T: Sendable>(_ body: () async throws -> T) async throws -> T {
        try await lock()
        defer { unlock() }
        return try await body()
    }

    /// Takes the lock, waiting for its turn.
    func lock() async throws(CancellationError) { try await queue.lock(()) }

    /// How many tasks wait.
    var waiterCount: Int { queue.count }

    /// Takes the lock if it is free.
    func tryLock() -> Bool { queue.tryLock(()) }

    /// Gives the lock to the next in line.
    func unlock() { queue.unlock(()) }
}
