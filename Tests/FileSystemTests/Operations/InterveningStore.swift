import ObjectStore
import ObjectStoreTesting

/// Runs a test's steps between the requests of a mount: what another host, or another program, does in that moment.
final class InterveningStore: DecoratingStore {
    let base: any ObjectStore
    private let before: @Sendable (StoreRequest) async -> Void
    private let after: @Sendable (StoreRequest) async -> Void

    /// Runs `before` ahead of each request, and `after` behind each that succeeded, before its answer is given.
    init(
        _ base: any ObjectStore, before: @escaping @Sendable (StoreRequest) async -> Void = { _ in },
        after: @escaping @Sendable (StoreRequest) async -> Void = { _ in }
    ) {
        self.base = base
        self.before = before
        self.after = after
    }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        await before(request)
        let answer = try await call()
        await after(request)
        return answer
    }
}
