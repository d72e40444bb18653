import Synchronization

/// Lets several tasks that want the same answer share one request for it.
///
/// The request runs in a task of its own, so that it goes on for the others when one of those who wait is interrupted. Nobody
/// is given an answer that was asked for before they came: see the file system's promise on freshness (an answer in flight
/// was asked for at most a round trip ago).
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let flights = Mutex<[Key: Task<Value, any Error>]>([:])

    /// The answer for `key`: of the request under way, or of a new one that `body` makes.
    func value(for key: Key, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let task = flights.withLock { flights in
            if let task = flights[key] { return task }
            let task = Task { [self] in
                defer { _ = self.flights.withLock { $0.removeValue(forKey: key) } }
                return try await body()
            }
            flights[key] = task
            return task
        }
        let waiter = Waiter<Value>()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiter.wait(continuation)
                Task { waiter.finish(await task.result) }
            }
        } onCancel: {
            waiter.finish(.failure(CancellationError()))
        }
    }

    /// Whether a request for `key` is under way.
    func isInFlight(_ key: Key) -> Bool { flights.withLock { $0[key] != nil } }
}

/// Resumes a continuation once, with whichever comes first: the answer or the cancellation.
private final class Waiter<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Value, any Error>)
        case finished(Result<Value, any Error>)
    }
    private let state = Mutex(State.idle)

    func wait(_ continuation: CheckedContinuation<Value, any Error>) {
        let early: Result<Value, any Error>? = state.withLock { state in
            if case .finished(let result) = state { return result }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(with: early) }
    }

    func finish(_ result: Result<Value, any Error>) {
        let waiting: CheckedContinuation<Value, any Error>? = state.withLock { state in
            switch state {
            case .idle:
                state = .finished(result)
                return nil
            case .waiting(let continuation):
                state = .finished(result)
                return continuation
            case .finished:
                return nil
            }
        }
        waiting?.resume(with: result)
    }
}
