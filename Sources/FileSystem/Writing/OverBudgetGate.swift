import DequeModule
import Synchronization

/// Lets one upload at a time take memory that the budget has not got.
///
/// An upload that sends base bytes again has to hold them for a moment. When the budget is full of staged bytes that only
/// uploads can free, waiting for room could be waiting for oneself. So such an upload goes on without a reservation, but one in the
/// whole process: the excess is one part at most.
final class OverBudgetGate: Sendable {
    /// The one of this process.
    static let shared = OverBudgetGate()
    /// The one of this process for writers: see ``StagedFile/makeRoom(for:else:)``.
    static let writers = OverBudgetGate()

    private struct State {
        var isTaken = false
        var next: UInt64 = 0
        var waiting = Deque<(id: UInt64, continuation: CheckedContinuation<Bool, Never>)>()
    }
    private let state = Mutex(State())

    init() {}

    /// Waits for the turn, in order of arrival. False when the task is cancelled first; otherwise ``leave()`` must follow.
    func enter() async -> Bool {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if !state.isTaken {
                        state.isTaken = true
                        return true
                    }
                    state.waiting.append((id, continuation))
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiting.remove(at: index).continuation
            }
            continuation?.resume(returning: false)
        }
    }

    /// Lets the next one in.
    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard let first = state.waiting.popFirst() else {
                state.isTaken = false
                return nil
            }
            return first.continuation
        }
        next?.resume(returning: true)
    }
}

/// A turn at ``OverBudgetGate/writers``, for as long as it lives.
final class OverBudgetTurn: Sendable {
    private let gate: OverBudgetGate

    private init(_ gate: OverBudgetGate) { self.gate = gate }

    /// Waits for a turn; nil when the task is cancelled first.
    static func take(at gate: OverBudgetGate) async -> OverBudgetTurn? {
        await gate.enter() ? OverBudgetTurn(gate) : nil
    }

    deinit { gate.leave() }
}
