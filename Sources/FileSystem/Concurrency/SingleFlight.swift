import Synchronization

/// Lets several tasks that want the same answer share one request for it.
///
/// The request runs in a task of its own, so that it goes on for the others when one of those who wait is interrupted. Nobody
/// is given an answer that was asked for before they came: see the file system's promise on freshness (an answer in flight
/// was asked for at most a round trip ago).
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private enum Answer {
        case known(Value)
        case coming(Task<Value, any Error>)
    }
    private let flights = Mutex<[Key: Task<Value, any Error>]>([:])

    /// The answer for `key`: what `known` has by now, that of the request under way, or that of a new one that `body` makes.
    ///
    /// `known` is asked at the moment that decides whether there is a new request, so that no answer which `body` has noted is
    /// asked for again. It runs under a lock: it must not wait, nor come back here.
    func value(
        for key: Key, known: () -> Value? = { nil }, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let answer: Answer = flights.withLock { flights in
            if let task = flights[key] { return .coming(task) }
            if let value = known() { return .known(value) }
            return .coming(start(key, body, in: &flights))
        }
        let task: Task<Value, any Error>
        switch answer {
        case .known(let value): return value
        case .coming(let coming): task = coming
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

    /// Begins the request for `key` without waiting for it, unless it is under way or `isKnown`, which is asked as in
    /// ``value(for:known:_:)``.
    func begin(for key: Key, unless isKnown: () -> Bool, _ body: @escaping @Sendable () async throws -> Value) {
        flights.withLock { flights in
            if flights[key] == nil, !isKnown() { _ = start(key, body, in: &flights) }
        }
    }

    /// Whether a request for `key` is under way.
    func isInFlight(_ key: Key) -> Bool { flights.withLock { $0[key] != nil } }

    private func start(
        _ key: Key, _ body: @escaping @Sendable () async throws -> Value,
        in flights: inout [Key: Task<Value, any Error>]
    ) -> Task<Value, any Error> {
        let task = Task { [self] in
            defer { _ = self.flights.withLock { $0.removeValue(forKey: key) } }
            return try await body()
        }
        flights[key] = task
        return task
    }
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
