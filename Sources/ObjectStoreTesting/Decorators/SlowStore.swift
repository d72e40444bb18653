public import ObjectStore
import Synchronization

/// Delays each request of another store, so that what goes on meanwhile can be tested; also the most that were under way at
/// a time, which tells whether a caller works in parallel.
public final class SlowStore: DecoratingStore {
    private struct State {
        var underWay = 0
        var mostUnderWay = 0
    }

    /// The store inside.
    public let base: any ObjectStore

    private let latency: @Sendable (StoreRequest) -> Duration
    private let state = Mutex(State())

    /// Delays every request alike.
    public convenience init(_ base: any ObjectStore, latency: Duration) {
        self.init(base) { _ in latency }
    }

    /// Delays each request by what `latency` says of it.
    public init(_ base: any ObjectStore, latency: @escaping @Sendable (StoreRequest) -> Duration) {
        self.base = base
        self.latency = latency
    }

    /// The most requests that were under way at the same time.
    public var mostUnderWay: Int { state.withLock { $0.mostUnderWay } }

    /// The requests under way now.
    public var underWay: Int { state.withLock { $0.underWay } }

    /// Waits, then makes the request. Cancelling the task ends the wait with `cancelled`; the request is then not made.
    public func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        state.withLock {
            $0.underWay += 1
            $0.mostUnderWay = max($0.mostUnderWay, $0.underWay)
        }
        defer { state.withLock { $0.underWay -= 1 } }
        do {
            try await Task.sleep(for: latency(request))
        } catch {
            throw StoreError(.cancelled, operation: request.operation.rawValue, key: request.key)
        }
        return try await call()
    }
}
