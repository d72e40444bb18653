import ObjectStore
import ObjectStoreTesting
import Testing

/// The decorators do to a store what they say, and nothing else.
@Suite struct DecoratingStoreTests {
    private func put(_ store: any ObjectStore, _ key: ObjectKey, if precondition: Precondition = .none) async
        -> StoreError?
    {
        do {
            _ = try await store.put(key, body: ArrayBody([1, 2, 3]), metadata: ObjectMetadata(), if: precondition)
            return nil
        } catch { return error }
    }

    @Test(arguments: StoreConformance.checks)
    func decoratorsKeepTheContract(_ check: StoreConformance.Check) async throws {
        let inside = InMemoryStore(options: .s3.with(minimumPartSize: 1000))
        let store = CountingStore(
            SlowStore(CrashingStore(FaultyStore(inside, []), after: .max), latency: .microseconds(1)))
        try await check.run(on: store)
        #expect(store.log.counts == inside.log.counts)
    }

    @Test func faultsBeforeTheEffect() async throws {
        let inside = InMemoryStore()
        let store = FaultyStore(inside, [.init(.before(.throttled), on: .put, key: "a", skipping: 1, times: 2)])
        #expect(await put(store, "a") == nil)
        #expect(await put(store, "b") == nil)
        inside.removeAll()
        for _ in 0..<2 {
            let error = await put(store, "a")
            #expect(error?.kind == .throttled)
            #expect(error?.status == 503)
            #expect(error?.isAmbiguous == false)
        }
        #expect(inside.objectCount == 0)
        #expect(await put(store, "a") == nil)
        #expect(store.injected.count == 2)
    }

    @Test func faultsAfterTheEffect() async throws {
        let inside = InMemoryStore()
        let store = FaultyStore(inside, [.init(.after(.timedOut), on: .put)])
        let error = await put(store, "a")
        #expect(error?.kind == .timedOut)
        #expect(error?.isAmbiguous == true)
        #expect(inside.content(of: "a") == [1, 2, 3])
    }

    @Test func aDuplicatedConditionalPutLooksLost() async throws {
        let inside = InMemoryStore()
        let store = FaultyStore(inside, [.init(.duplicated, on: .put)])
        let error = await put(store, "a", if: .absent)
        #expect(error?.kind == .preconditionFailed)
        #expect(error?.isAmbiguous == true)
        #expect(inside.content(of: "a") == [1, 2, 3], "the first delivery took effect")
        #expect(inside.log.count(.put) == 2)
    }

    @Test func lateEffectsComeWhenToldTo() async throws {
        let inside = InMemoryStore()
        let store = FaultyStore(inside, [.init(.late, on: .put)])
        #expect(await put(store, "a")?.kind == .timedOut)
        #expect(inside.objectCount == 0)
        #expect(await store.deliverLate() == 1)
        #expect(inside.content(of: "a") == [1, 2, 3])
        #expect(await store.deliverLate() == 0)
    }

    @Test func bodiesAreCut() async throws {
        let inside = InMemoryStore()
        inside.insert("a", Array(0..<100))
        let store = FaultyStore(inside, [.init(.cut(after: 30, .badResponse), on: .get)])
        let sink = CollectingSink()
        await #expect(throws: StoreError.self) {
            try await store.get("a", range: 10..<90, ifMatch: nil, into: sink)
        }
        #expect(sink.bytes == Array(10..<40))
        #expect(sink.range == 10..<90)
        #expect(try await store.bytes(of: "a").count == 100)
    }

    @Test func aCutPastTheEndIsNone() async throws {
        let inside = InMemoryStore()
        inside.insert("a", [1, 2, 3])
        let store = FaultyStore(inside, [.init(.cut(after: 3, .badResponse), on: .get)])
        #expect(try await store.bytes(of: "a") == [1, 2, 3])
    }

    @Test func seededFaultsRepeat() async throws {
        func run(seed: UInt64) async -> [Int] {
            let store = FaultyStore(InMemoryStore(), plan: SeededFaults(seed: seed, probability: 0.2))
            var failed: [Int] = []
            for number in 0..<200 where await put(store, ObjectKey("\(number)")) != nil { failed.append(number) }
            return failed
        }
        let first = await run(seed: 1)
        #expect(await run(seed: 1) == first)
        #expect(await run(seed: 2) != first)
        #expect((5..<80).contains(first.count))
    }

    @Test(arguments: CrashingStore.Moment.allCases)
    func nothingIsHeardAfterACrash(_ moment: CrashingStore.Moment) async throws {
        let inside = InMemoryStore()
        let store = CrashingStore(inside, after: 2, moment) { $0.operation.isMutation }
        #expect(await put(store, "1") == nil)
        _ = try await store.head("1")
        #expect(await put(store, "2") == nil)
        #expect(!store.hasCrashed)
        #expect(await put(store, "3")?.code == CrashingStore.code)
        #expect(store.hasCrashed)
        #expect(await put(store, "4")?.code == CrashingStore.code)
        await #expect(throws: StoreError.self) { try await store.head("1") }
        #expect(inside.allKeys == (moment == .afterEffect ? ["1", "2", "3"] : ["1", "2"]))
        #expect(store.requestsMade == (moment == .afterEffect ? 3 : 2))
    }

    @Test func slownessIsCancellable() async throws {
        let inside = InMemoryStore()
        let store = SlowStore(inside, latency: .seconds(3600))
        let task = Task { await put(store, "a") }
        while store.underWay == 0 { await Task.yield() }
        task.cancel()
        #expect(await task.value?.kind == .cancelled)
        #expect(inside.objectCount == 0)
        #expect(store.mostUnderWay == 1)
    }
}
