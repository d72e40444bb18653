internal import DequeModule
import Synchronization

/// Lets one task at a time through a stretch of code that waits for the network, in order of arrival.
///
/// `Mutex` must not be held over an `await`; this is for the few places where an inode's requests have to follow one
/// another: a commit, a change of attributes, a rename, an unlink. A waiting task that is cancelled leaves the queue.
final class AsyncMutex: Sendable {
    private struct Waiter {
        var id: UInt64
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var isHeld = false
        var nextID: UInt64 = 0
        var waiters = Deque<Waiter>()
    }

    private let state = Mutex(State())

    /// Runs `body` alone.
    /// - Throws: `CancellationError` if the task is cancelled while it waits; else what `body` throws.
    func withLock<T: Sendable>(_ body: () async throws -> T) async throws -> T {
        try await lock()
        defer { unlock() }
        return try await body()
    }

    /// Takes the lock, waiting for its turn.
    func lock() async throws(CancellationError) {
        let id: UInt64? = state.withLock { state in
            if !state.isHeld {
                state.isHeld = true
                return nil
            }
            state.nextID += 1
            return state.nextID
        }
        guard let id else { return }
        let granted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if !state.isHeld {
                        state.isHeld = true
                        return true
                    }
                    state.waiters.append(Waiter(id: id, continuation: continuation))
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let waiter: Waiter? = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: false)
        }
        if !granted { throw CancellationError() }
    }

    /// How many tasks wait.
    var waiterCount: Int { state.withLock { $0.waiters.count } }

    /// Takes the lock if it is free.
    func tryLock() -> Bool {
        state.withLock { state in
            if state.isHeld { return false }
            state.isHeld = true
            return true
        }
    }

    /// Gives the lock to the next in line.
    func unlock() {
        let next: Waiter? = state.withLock { state in
            precondition(state.isHeld, "unlocked twice")
            let next = state.waiters.popFirst()
            if next == nil { state.isHeld = false }
            return next
        }
        next?.continuation.resume(returning: true)
    }
}
