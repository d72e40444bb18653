internal import DequeModule
internal import ObjectStore
import Synchronization

/// One mutation of a key at a time: from the look at its conditions until it is durable.
///
/// Those who wait get their turn in the order in which they came. Several keys are taken in byte order, so that no two wait
/// for each other. A task that is cancelled still waits for its turn: holders are bounded by the disk, or by a request's
/// deadline.
final class KeyLocks: Sendable {
    private let queues = Mutex<[ObjectKey: Deque<CheckedContinuation<Void, Never>>]>([:])

    /// Runs `body` while nobody else has one of `keys`.
    func with<T: Sendable>(
        _ keys: [ObjectKey], _ body: () async throws(StoreError) -> T
    ) async throws(StoreError) -> T {
        let keys = Set(keys).sorted()
        for key in keys { await take(key) }
        defer { for key in keys { give(key) } }
        return try await body()
    }

    private func take(_ key: ObjectKey) async {
        await withCheckedContinuation { continuation in
            let isFree = queues.withLock { queues in
                if queues[key] != nil {
                    queues[key]?.append(continuation)
                    return false
                }
                queues[key] = []
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func give(_ key: ObjectKey) {
        let next = queues.withLock { queues -> CheckedContinuation<Void, Never>? in
            if let next = queues[key]?.popFirst() { return next }
            queues[key] = nil
            return nil
        }
        next?.resume()
    }
}
