import Synchronization

/// The requests that a task is answering, so that the kernel's INTERRUPT and the end of the mount can cancel them.
///
/// Requests answered at once on the FUSE thread never get here. A number is used once, so an interrupt that comes late meets
/// nothing; that is why libfuse's callback carries the number and not a pointer to an object that may be gone.
final class PendingRequests: Sendable {
    private struct Pending {
        var task: Task<Void, Never>?
        var isCancelled: Bool
    }

    private struct State {
        var next: UInt = 1
        var pending: [UInt: Pending] = [:]
        var isClosing = false
    }

    private let state = Mutex(State())

    /// Enters a request: its number. Before its task starts, so that neither the interrupt nor the end can miss it.
    func begin() -> UInt {
        state.withLock { state in
            let number = state.next
            state.next += 1
            state.pending[number] = Pending(task: nil, isCancelled: state.isClosing)
            return number
        }
    }

    /// Tells which task answers the request; cancels it where the interrupt came first. The task may have ended already.
    func attach(_ task: Task<Void, Never>, to number: UInt) {
        let cancels = state.withLock { state in
            guard state.pending[number] != nil else { return false }
            state.pending[number]!.task = task
            return state.pending[number]!.isCancelled
        }
        if cancels { task.cancel() }
    }

    /// Cancels the request's task, now or as soon as it is known.
    func cancel(_ number: UInt) {
        let task = state.withLock { state in
            state.pending[number]?.isCancelled = true
            return state.pending[number]?.task
        }
        task?.cancel()
    }

    /// The request is answered and its task about to end.
    func end(_ number: UInt) { state.withLock { _ = $0.pending.removeValue(forKey: number) } }

    /// Cancels all, and those to come.
    func cancelAll() {
        let tasks = state.withLock { state in
            state.isClosing = true
            for number in state.pending.keys { state.pending[number]!.isCancelled = true }
            return state.pending.values.compactMap(\.task)
        }
        for task in tasks { task.cancel() }
    }

    /// Requests that are not answered yet.
    var count: Int { state.withLock { $0.pending.count } }
}
