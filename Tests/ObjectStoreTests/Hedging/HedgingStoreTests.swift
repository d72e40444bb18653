import ObjectStoreTesting
import Synchronization
import Testing

@testable import ObjectStore

/// A late read is asked for once more, and never gives other bytes for it.
@Suite struct HedgingStoreTests {
    private static let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

    /// A store whose next GET, and only that, takes long.
    private struct Late: Sendable {
        let inside: InMemoryStore
        let slow: SlowStore
        let store: HedgingStore
        private let isNextLate: Flag

        init(options: InMemoryStore.Options = .s3, for delay: Duration = .seconds(3600)) {
            let flag = Flag()
            isNextLate = flag
            inside = InMemoryStore(options: options)
            slow = SlowStore(inside) { request in
                guard request.operation == .get else { return .zero }
                return flag.take() ? delay : .zero
            }
            var policy = HedgePolicy()
            policy.leastWait = 2_000_000
            policy.leastSamples = 20
            store = HedgingStore(slow, policy: policy)
        }

        func put(_ content: [UInt8]) async throws -> ETag? {
            try await inside.put("file", body: ArrayBody(content), metadata: ObjectMetadata(), if: .none).etag
        }

        func read(_ etag: ETag?, range: Range<Int64>? = nil) async throws -> [UInt8] {
            let sink = CollectingSink()
            try await store.get("file", range: range, ifMatch: etag, into: sink)
            return sink.bytes
        }

        /// Reads until the usual time is known and a hedge earned.
        func learn(_ etag: ETag?) async throws {
            for _ in 0..<40 { _ = try await read(etag, range: 0..<10) }
        }

        func makeNextLate() { isNextLate.set() }
    }

    @Test func aLateReadIsAnsweredByTheSecondRequest() async throws {
        let late = Late()
        let etag = try await late.put(Self.content)
        try await late.learn(etag)
        #expect(late.store.counts == HedgingStore.Counts())
        late.makeNextLate()
        // Would take an hour.
        #expect(try await late.read(etag, range: 1000..<150_000) == Array(Self.content[1000..<150_000]))
        #expect(late.store.counts.sent == 1 && late.store.counts.won == 1)
        #expect(late.slow.underWay == 0, "the late request was ended")
    }

    @Test func withoutAVersionNothingIsAskedTwice() async throws {
        let late = Late(for: .milliseconds(100))
        let etag = try await late.put(Self.content)
        try await late.learn(etag)
        late.makeNextLate()
        #expect(try await late.read(nil) == Self.content)
        #expect(late.store.counts.sent == 0)
    }

    @Test func aStoreThatIsSlowAsAWholeIsNotAskedTwiceForAll() async throws {
        let late = Late(for: .milliseconds(30))
        let etag = try await late.put(Self.content)
        try await late.learn(etag)
        for _ in 0..<60 {
            late.makeNextLate()
            #expect(try await late.read(etag, range: 5..<100) == Array(Self.content[5..<100]))
        }
        // 100 GETs earn five.
        #expect(late.store.counts.sent <= 5)
    }

    /// The object is replaced while the first request hangs: the second one's refusal must not become the answer, nor its bytes.
    @Test(arguments: [true, false]) func aReplacedObjectIsNeverMixed(honoursConditions: Bool) async throws {
        let late = Late(for: .milliseconds(300))
        let etag = try await late.put(Self.content)
        try await late.learn(etag)
        let blind = ConditionBlindStore(late.slow, blind: Set(StoreCapability.allCases))
        var policy = HedgePolicy()
        policy.leastWait = 2_000_000
        policy.leastSamples = 20
        let store = HedgingStore(honoursConditions ? late.slow : blind, policy: policy)
        for _ in 0..<40 { try await store.get("file", range: 0..<10, ifMatch: etag, into: CollectingSink()) }
        late.makeNextLate()
        async let reading: Result<[UInt8], StoreError> = Self.read(store, etag)
        try await Task.sleep(for: .milliseconds(1))
        _ = try await late.put(Self.content.map { ~$0 })
        switch await reading {
        case .success(let bytes): #expect(bytes == Self.content || bytes == Self.content.map { ~$0 })
        case .failure(let error): #expect(error.kind == .preconditionFailed)
        }
    }

    private static func read(_ store: HedgingStore, _ etag: ETag?) async -> Result<[UInt8], StoreError> {
        let sink = CollectingSink()
        do throws(StoreError) {
            try await store.get("file", range: nil, ifMatch: etag, into: sink)
            return .success(sink.bytes)
        } catch { return .failure(error) }
    }

    @Test func errorsAreThoseOfTheFirstRequest() async throws {
        let late = Late()
        let etag = try await late.put(Self.content)
        try await late.learn(etag)
        late.inside.removeAll()
        let error = await #expect(throws: StoreError.self) { _ = try await late.read(etag) }
        #expect(error?.kind == .notFound)
        #expect(late.store.counts.sent == 0)
    }

    @Test func cancellingEndsBoth() async throws {
        let late = Late()
        let etag = try await late.put(Self.content)
        try await late.learn(etag)
        late.makeNextLate()
        let store = late.store
        let task = Task { await Self.read(store, etag) }
        task.cancel()
        if case .failure(let error) = await task.value { #expect(error.kind == .cancelled) }
        #expect(late.slow.underWay == 0)
    }
}

/// A flag that several closures share.
private final class Flag: Sendable {
    private let value = Mutex(false)

    func set() { value.withLock { $0 = true } }

    /// Whether it was set; it is not any more.
    func take() -> Bool {
        value.withLock { value in
            defer { value = false }
            return value
        }
    }
}
