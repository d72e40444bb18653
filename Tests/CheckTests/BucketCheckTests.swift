import ObjectStore
import ObjectStoreTesting
import Synchronization
import Testing

@testable import Check

@Suite struct BucketCheckTests {
    @Test func requestsOfTheListing() async {
        var bucket = PlantedBucket()
        bucket.options.readsHeaders = false
        for number in 0..<5000 { bucket.plant(ObjectKey("d/f\(number)"), "x") }
        bucket.plant("d/")
        bucket.store.log.reset()
        let report = await bucket.check()
        #expect(report.objects == 5001)
        #expect(bucket.store.log.count(.list) == 6)
        #expect(bucket.store.log.total == 7)
        #expect(report.requests == 7)
    }

    @Test func theBudgetEndsItAndThePositionGoesOn() async {
        var bucket = PlantedBucket()
        for number in 0..<2500 { bucket.plant(ObjectKey("f\(10_000 + number)"), "x", user: ["uid": "bad"]) }
        let path = "/tmp/pail-check-\(UInt64.random(in: .min ... .max)).json"
        bucket.options.positionFile = path
        bucket.options.source = "memory"
        // The listing, a page of headers, and a part of the second.
        bucket.options.maximumRequests = 4 + 3 + 1500
        let first = await bucket.check()
        #expect(first.status == [.uncorrected, .cancelled])
        #expect(first.kinds[BadOwner.info.name]?.found == 1000)
        bucket.options.maximumRequests = nil
        bucket.options.resumes = true
        let second = await bucket.check()
        #expect(second.kinds[BadOwner.info.name]?.found == 2500)
        #expect(second.headed == 2500)
        #expect(second.status == .uncorrected)
        #expect(CheckPosition.load(path, for: bucket.options) == nil, "a check that is done leaves no position")
    }

    @Test func whoIsAskedAndSaysNo() async {
        let bucket = PlantedBucket()
        for number in 0..<10 { bucket.plant(ObjectKey("f\(number)"), "x", user: ["uid": "bad"]) }
        var events = CheckEvents()
        let asked = Mutex<CostEstimate?>(nil)
        events.accepts = { estimate in
            asked.withLock { $0 = estimate }
            return false
        }
        let report = await BucketCheck(bucket.store, options: bucket.options, events: events).run()
        #expect(asked.withLock { $0 }?.heads == 10)
        #expect(report.status == .cancelled)
        #expect(bucket.store.log.count(.head) == 0)
    }

    @Test func damagedContentIsFound() async {
        var bucket = PlantedBucket()
        bucket.options.verifiesData = true
        bucket.plant("good", "content")
        bucket.plant("bad", "content")
        let store = ShorteningStore(bucket.store, of: "bad")
        let report = await BucketCheck(store, options: bucket.options).run()
        #expect(report.kinds[DamagedContent.info.name]?.examples.map(\.key) == ["bad"])
        #expect(report.status == .uncorrected)
    }

    @Test func aStoreThatFailsIsNoCleanBucket() async {
        let bucket = PlantedBucket()
        bucket.plant("a", "x")
        let report = await BucketCheck(FailingStore(bucket.store, .head), options: bucket.options).run()
        #expect(report.status == .operationalError)
    }

    /// Another version comes between the look and the mending: it stays.
    @Test func whatIsStoredMeanwhileStays() async {
        let bucket = PlantedBucket()
        bucket.plant("a//b", "old")
        let store = RacingStore(bucket.store) { bucket.plant("a//b", "new") }
        var options = bucket.options
        options.mending = .all
        let report = await BucketCheck(store, options: options).run()
        #expect(report.kinds[UnshowableKey.info.name]?.failed == 1)
        #expect(bucket.store.content(of: "a//b") == Array("new".utf8))
    }

    @Test func theTextFitsATerminal() async {
        let bucket = PlantedBucket()
        bucket.plant("a//b", "x")
        bucket.plant("n", "x")
        bucket.plant("n/x", "x")
        bucket.plant("escape\u{1B}[31m//x", "x")
        let report = await bucket.check()
        var style = TextReport.Style()
        style.source = "s3://bucket"
        let lines = TextReport(report, style: style).lines
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.allSatisfy { !$0.unicodeScalars.contains("\u{1B}") })
        #expect(lines.contains { $0.contains("a//b") })
        #expect(TextReport(CheckReport(), style: style).lines.count == 1)
    }

    @Test func eachCheckHasAName() {
        #expect(Set(CheckList.all.map(\.name)).count == CheckList.all.count)
    }
}

/// The end of one object's content does not come.
private final class ShorteningStore: DecoratingStore {
    let base: any ObjectStore
    let key: ObjectKey

    init(_ base: any ObjectStore, of key: ObjectKey) {
        self.base = base
        self.key = key
    }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        if request.operation == .get, request.key == key {
            throw StoreError(.badResponse, operation: "GetObject", key: key, message: "the body is cut short")
        }
        let answer = try await call()
        // The ETags of the store in memory look like MD5s and are none.
        guard request.operation == .get, var info = answer as? ObjectInfo else { return answer }
        info.isEncryptedWithKey = true
        return info as? Answer ?? answer
    }
}

/// One operation always fails.
private final class FailingStore: DecoratingStore {
    let base: any ObjectStore
    let operation: StoreOperation

    init(_ base: any ObjectStore, _ operation: StoreOperation) {
        self.base = base
        self.operation = operation
    }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        if request.operation == operation {
            throw StoreError(.serverError, operation: operation.rawValue, key: request.key, status: 500)
        }
        return try await call()
    }
}

/// Somebody acts right before the first DELETE.
private final class RacingStore: DecoratingStore {
    let base: any ObjectStore
    let act: @Sendable () -> Void

    init(_ base: any ObjectStore, act: @escaping @Sendable () -> Void) {
        self.base = base
        self.act = act
    }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        if request.operation == .delete { act() }
        return try await call()
    }
}
