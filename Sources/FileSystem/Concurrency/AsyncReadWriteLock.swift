internal import DequeModule
import Synchronization

/// Many tasks share, or one has it alone; in order of arrival, so that neither side starves.
///
/// Guards the tree's shape on the bucket: whatever stores, removes or renames one object shares it; the rename of a
/// directory, which moves the keys of everything below, has it alone. Held over requests, never on a FUSE thread.
final class AsyncReadWriteLock: Sendable {
    private struct Waiter {
        var id: UInt64
        var isExclusive: Bool
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var sharers = 0
        var isExclusive = false
        var nextID: UInt64 = 0
        var waiters = Deque<Waiter>()

        mutating func take(exclusive: Bool) -> Bool {
            guard !isExclusive, !(exclusive && sharers > 0) else { return false }
            if exclusive { isExclusive = true } else { sharers += 1 }
            return true
        }

        mutating func admit() -> [Waiter] {
            var admitted: [Waiter] = []
            while let first = waiters.first, take(exclusive: first.isExclusive) {
                admitted.append(waiters.removeFirst())
            }
            return admitted
        }
    }

    private let state = Mutex(State())

    /// Takes the lock, shared or alone, waiting for its turn.
    /// - Throws: `CancellationError` if the task is cancelled while it waits.
    func lock(exclusive: Bool) async throws(CancellationError) {
        let id: UInt64? = state.withLock { state in
            if state.waiters.isEmpty, state.take(exclusive: exclusive) { return nil }
            state.nextID += 1
            return state.nextID
        }
        guard let id else { return }
        let granted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.waiters.isEmpty, state.take(exclusive: exclusive) { return true }
                    state.waiters.append(Waiter(id: id, isExclusive: exclusive, continuation: continuation))
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let (waiter, admitted): (Waiter?, [Waiter]) = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return (nil, []) }
                let waiter = state.waiters.remove(at: index)
                return (waiter, state.admit())
            }
            waiter?.continuation.resume(returning: false)
            for waiter in admitted { waiter.continuation.resume(returning: true) }
        }
        if !granted { throw CancellationError() }
    }

    /// How many tasks wait.
    var waiterCount: Int { state.withLock { $0.waiters.count } }

    /// Gives the lock back, as it was taken.
    func unlock(exclusive: Bool) {
        let admitted = state.withLock { state in
            if exclusive { state.isExclusive = false } else { state.sharers -= 1 }
            precondition(state.sharers >= 0, "unlocked twice")
            return state.admit()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }
}
