public import ObjectStore

/// Notes every request made of another store, those that other decorators below it swallow included.
public final class CountingStore: DecoratingStore {
    /// The store inside.
    public let base: any ObjectStore
    /// The requests made.
    public let log = RequestLog()

    /// Counts what is asked of `base`.
    public init(_ base: any ObjectStore) { self.base = base }

    /// Notes the request and makes it.
    public func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        log.note(request)
        return try await call()
    }
}
