internal import DequeModule
import Synchronization

/// Who may hold a lock beside whom: a value that ``WaiterQueue`` asks under its own lock.
protocol LockHolding: Sendable {
    /// A way of holding the lock: shared or alone, say.
    associatedtype Mode: Sendable

    /// Nobody holds it.
    init()

    /// Takes the lock if those who hold it allow.
    mutating func take(_ mode: Mode) -> Bool

    /// Gives the lock back as it was taken.
    mutating func giveBack(_ mode: Mode)
}

/// The tasks that wait for a lock, in order of arrival: what ``AsyncMutex`` and ``AsyncReadWriteLock`` have in common.
///
/// **Problem.** A task that waits must neither hold a thread nor lose its turn, and one that is cancelled must leave the
/// queue at once, without the lock and without keeping those behind it.
///
/// **Design.** Each waiting task has a continuation in the queue. Whoever gives the lock back hands it to the first in line,
/// and to those behind as far as they may hold it together; so nobody can take it in between. Continuations are resumed
/// outside the queue's own lock.
final class WaiterQueue<Holding: LockHolding>: Sendable {
    private struct Waiter {
        var id: UInt64
        var mode: Holding.Mode
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var holding = Holding()
        var nextID: UInt64 = 0
        var waiters = Deque<Waiter>()

        /// Takes the lock where nobody is in line for it.
        mutating func take(_ mode: Holding.Mode) -> Bool { waiters.isEmpty && holding.take(mode) }

        /// Takes those out of the queue who have the lock now.
        mutating func admit() -> [Waiter] {
            var admitted: [Waiter] = []
            while let first = waiters.first, holding.take(first.mode) { admitted.append(waiters.removeFirst()) }
            return admitted
        }
    }

    private let state = Mutex(State())

    /// How many tasks wait.
    var count: Int { state.withLock { $0.waiters.count } }

    /// Takes the lock if nobody has it or waits for it.
    func tryLock(_ mode: Holding.Mode) -> Bool { state.withLock { $0.take(mode) } }

    /// Takes the lock, waiting for its turn.
    /// - Throws: `CancellationError` if the task is cancelled while it waits.
    func lock(_ mode: Holding.Mode) async throws(CancellationError) {
        let id: UInt64? = state.withLock { state in
            if state.take(mode) { return nil }
            state.nextID += 1
            return state.nextID
        }
        guard let id else { return }
        let granted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.take(mode) { return true }
                    state.waiters.append(Waiter(id: id, mode: mode, continuation: continuation))
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let (waiter, admitted): (Waiter?, [Waiter]) = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return (nil, []) }
                let waiter = state.waiters.remove(at: index)
                // Those behind may have waited for this one alone.
                return (waiter, state.admit())
            }
            waiter?.continuation.resume(returning: false)
            for waiter in admitted { waiter.continuation.resume(returning: true) }
        }
        if !granted { throw CancellationError() }
    }

    /// Gives the lock back, and to the next in line.
    func unlock(_ mode: Holding.Mode) {
        let admitted = state.withLock { state in
            state.holding.giveBack(mode)
            return state.admit()
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }
}
