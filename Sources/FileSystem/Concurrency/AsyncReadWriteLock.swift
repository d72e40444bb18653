/// Many tasks share, or one has it alone; in order of arrival, so that neither side starves.
///
/// Guards the tree's shape on the bucket: whatever stores, removes or renames one object shares it; the rename of a
/// directory, which moves the keys of everything below, has it alone. Held over requests, never on a FUSE thread.
final class AsyncReadWriteLock: Sendable {
    private struct Holding: LockHolding {
        var sharers = 0
        var isExclusive = false

        mutating func take(_ exclusive: Bool) -> Bool {
            guard !isExclusive, !(exclusive && sharers > 0) else { return false }
            if exclusive { isExclusive = true } else { sharers += 1 }
            return true
        }

        mutating func giveBack(_ exclusive: Bool) {
            if exclusive { isExclusive = false } else { sharers -= 1 }
            precondition(sharers >= 0, "unlocked twice")
        }
    }

    private let queue = WaiterQueue<Holding>()

    /// Takes the lock, shared or alone, waiting for its turn.
    /// - Throws: `CancellationError` if the task is cancelled while it waits.
    func lock(exclusive: Bool) async throws(CancellationError) { try await queue.lock(exclusive) }

    /// How many tasks wait.
    var waiterCount: Int { queue.count }

    /// Gives the lock back, as it was taken.
    func unlock(exclusive: Bool) { queue.unlock(exclusive) }
}
