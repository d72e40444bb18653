import Logging
import ObjectStore
import Testing

@testable import FileSystem

@Suite struct UploadRunTests {
    static func run(
        _ store: FakeStore, base: ObjectVersion?, map: ExtentMap, budget: MemoryBudget, parallel: Int = 4
    ) -> UploadRun {
        UploadRun(
            store: store,
            target: UploadTarget(key: "file", metadata: ObjectMetadata(user: ["mtime": "1"]), precondition: .none),
            base: base, content: PinnedExtents(map.extents), size: map.size, parallelParts: parallel, budget: budget,
            readBase: store.reader { (base?.key ?? "", base?.etag) }, logger: Logger(label: "test"))
    }

    /// A base of 1,000 bytes, all of which are to be sent again because the store cannot copy, under a budget that has no room.
    @Test(.timeLimit(.minutes(15)), arguments: [1, 4]) func aFullBudgetSlowsAndDoesNotStop(parallel: Int) async throws {
        let store = FakeStore(features: StagedFileTests.features(partCopies: false))
        let bytes = StagedFileBehaviourTests.pattern(1000)
        let base = ObjectVersion(key: "file", etag: store.seed("file", bytes), size: 1000)
        var map = ExtentMap(objectSize: 1000)
        map.zero(500..<510)
        let budget = MemoryBudget(limit: 100)
        #expect(budget.tryReserve(90))
        let run = Self.run(store, base: base, map: map, budget: budget, parallel: parallel)
        let plan = try UploadPlan(
            content: map, baseSize: 1000, features: store.features, limits: StagedFileTests.limits())
        guard case .multipart(let parts) = plan else {
            Issue.record("\(plan)")
            return
        }
        let upload = try await store.createUpload("file", metadata: ObjectMetadata())
        _ = try await run.complete(upload, parts: parts)
        var expected = bytes
        expected.replaceSubrange(500..<510, with: [UInt8](repeating: 0, count: 10))
        #expect(store.object("file")?.bytes == expected)
        #expect(budget.used == 90 && budget.peak <= 100)

        let again = ObjectVersion(key: "file", etag: store.seed("file", bytes), size: 1000)
        _ = try await Self.run(store, base: again, map: map, budget: budget).put()
        #expect(store.object("file")?.bytes == expected)
        #expect(budget.used == 90 && budget.peak <= 100)
    }

    @Test func anErrorOfOnePartEndsTheRunWithNothingInFlight() async throws {
        let store = FakeStore(features: StagedFileTests.features())
        var map = ExtentMap()
        map.zero(0..<1000)
        let run = Self.run(store, base: nil, map: map, budget: MemoryBudget(limit: 1000))
        let plan = try UploadPlan(
            content: map, baseSize: nil, features: store.features, limits: StagedFileTests.limits())
        guard case .multipart(let parts) = plan else {
            Issue.record("\(plan)")
            return
        }
        let upload = try await store.createUpload("file", metadata: ObjectMetadata())
        store.setFault { operation, count in operation == "UploadPart" && count == 5 ? .refuse : nil }
        await #expect(throws: StoreError.self) { try await run.complete(upload, parts: parts) }
        let calls = store.calls("UploadPart")
        #expect(calls >= 5 && calls < parts.count)
        #expect(store.object("file") == nil)
    }

    @Test func anotherObjectIsNotTakenForOurOwn() async throws {
        let store = FakeStore(features: StagedFileTests.features())
        store.seed("file", [1, 2, 3])
        var map = ExtentMap()
        map.zero(0..<3)
        let run = Self.run(store, base: nil, map: map, budget: MemoryBudget(limit: 1000))
        store.setFault { _, _ in .refuseAmbiguously }
        await #expect(throws: StoreError.self) { try await run.put() }
        #expect(store.object("file")?.bytes == [1, 2, 3])
    }

    @Test(.timeLimit(.minutes(15))) func theGateLetsOneInAndForgetsTheCancelled() async throws {
        let gate = OverBudgetGate()
        #expect(await gate.enter())
        let waiting = Task { await gate.enter() }
        try await Task.sleep(for: .milliseconds(5))
        waiting.cancel()
        #expect(await !waiting.value)
        let next = Task { await gate.enter() }
        try await Task.sleep(for: .milliseconds(5))
        gate.leave()
        #expect(await next.value)
        gate.leave()
        #expect(await gate.enter())
    }
}
