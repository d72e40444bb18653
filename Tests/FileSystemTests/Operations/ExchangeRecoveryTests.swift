import Logging
import ObjectStore
import ObjectStoreTesting
import Synchronization
import Testing

@testable import FileSystem

/// An exchange of two files that dies at any request: the next mount finds both contents under the two names, in either order.
@Suite(.timeLimit(.minutes(15))) struct ExchangeRecoveryTests {
    private final class Log: RenameLog {
        private let store: CrashingStore
        private let exchange = Mutex<UnfinishedExchange?>(nil)

        init(store: CrashingStore) { self.store = store }

        var left: UnfinishedExchange? { exchange.withLock { $0 } }

        func renameBegan(from: String, to: String, replacing replaces: Bool) async throws -> Int64 { 1 }
        func renameDeletes(_ id: Int64) async throws {}
        func renameEnded(_ id: Int64) async {}
        func exchangeBegan(_ exchange: UnfinishedExchange) async throws -> Int64 {
            self.exchange.withLock { $0 = exchange }
            return 2
        }
        func exchangeEnded(_ id: Int64, leaving garbage: ObjectKey?) async {
            if !store.hasCrashed { exchange.withLock { $0 = nil } }
        }
    }

    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func bucket(_ options: InMemoryStore.Options) async throws -> TestBucket {
        let bucket = TestBucket(options)
        let mount = bucket.mount { $0.partSize = 64 }
        try await mount.mkdir("d")
        try await mount.put("a", ExchangeTests.short)
        try await mount.put("d/b", ExchangeTests.long)
        return bucket
    }

    private func crash(_ bucket: TestBucket, after requests: Int, _ moment: CrashingStore.Moment) async
        -> (died: Bool, left: UnfinishedExchange?)
    {
        let store = CrashingStore(bucket.store, after: requests, moment, counting: { $0.operation.isMutation })
        let log = Log(store: store)
        let mount = bucket.mount(through: store) { $0.renameLog = log }
        try? await mount.rename("a", to: "d/b", .exchange)
        return (store.hasCrashed, log.left)
    }

    @Test(arguments: ["s3", "seaweedfs"]) func whereverItIsCutOff(store kind: String) async throws {
        let options: InMemoryStore.Options = kind == "s3" ? .s3 : .seaweedFS
        var outcomes: Set<[String?]> = []
        for moment in CrashingStore.Moment.allCases {
            var requests = 0
            while true {
                let bucket = try await bucket(options)
                let (died, left) = await crash(bucket, after: requests, moment)
                if let left {
                    let dying = CrashingStore(bucket.store, after: 1, moment, counting: { $0.operation.isMutation })
                    try? await ExchangeRecovery(store: dying, logger: logger).finish(left)
                    // A row too many changes nothing.
                    for _ in 0..<2 { try await ExchangeRecovery(store: bucket.store, logger: logger).finish(left) }
                }
                let found = [bucket.text("a"), bucket.text("d/b")]
                outcomes.insert(found)
                #expect(
                    Set(found) == [ExchangeTests.short, ExchangeTests.long], "\(kind), \(moment), after \(requests)")
                #expect(
                    !bucket.store.allKeys.contains { $0.hasPrefix(".pail/") }, "\(kind), \(moment), after \(requests)")
                if !died { break }
                requests += 1
            }
            #expect(requests == 4)
        }
        #expect(outcomes.count == 2)
    }

    /// Who has copied the one file over the other since keeps that, although the bytes are those that the exchange had put there.
    @Test func anEqualCopyMadeSinceStays() async throws {
        let bucket = try await bucket(.s3)
        let (_, left) = await crash(bucket, after: 2, .beforeEffect)
        let exchange = try #require(left)
        bucket.clock.advance(seconds: 5)
        try await bucket.mount().put("a", ExchangeTests.long)
        try await ExchangeRecovery(store: bucket.store, logger: logger).finish(exchange)
        #expect(bucket.text("a") == ExchangeTests.long && bucket.text("d/b") == ExchangeTests.long)
        #expect(bucket.text(exchange.aside) == ExchangeTests.short)
    }

    /// Who has changed one of the files since keeps his change; the content that was aside stays there.
    @Test func whatWasChangedSinceStays() async throws {
        let bucket = try await bucket(.s3)
        let (_, left) = await crash(bucket, after: 2, .beforeEffect)
        let exchange = try #require(left)
        bucket.store.insert("a", Array("changed".utf8))
        try await ExchangeRecovery(store: bucket.store, logger: logger).finish(exchange)
        #expect(bucket.text("a") == "changed" && bucket.text("d/b") == ExchangeTests.long)
        #expect(bucket.text(exchange.aside) == ExchangeTests.short)
    }
}
