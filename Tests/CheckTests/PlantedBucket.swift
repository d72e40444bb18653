import ObjectStore
import ObjectStoreTesting
import Testing

@testable import Check

/// A bucket in memory with damage planted in it, checked as a person would: looked at, mended, looked at again.
struct PlantedBucket {
    let store: InMemoryStore
    var options = CheckOptions()
    static let now: Int64 = 2_000_000_000

    init(_ storeOptions: InMemoryStore.Options = .s3) {
        store = InMemoryStore(options: storeOptions, clock: FixedStoreClock())
        options.now = Self.now
    }

    /// Puts an object there, two days old.
    @discardableResult
    func plant(
        _ key: ObjectKey, _ text: String = "", user: [String: String] = [:], type: String? = nil, age: Int64 = 172_800
    ) -> ETag {
        store.insert(
            key, Array(text.utf8), metadata: ObjectMetadata(contentType: type, user: user),
            lastModified: Timestamp(seconds: Self.now - age))
    }

    /// Runs a check.
    func check(_ mending: CheckOptions.Mending = .nothing) async -> CheckReport {
        var options = options
        options.mending = mending
        return await BucketCheck(store, options: options).run()
    }

    /// All contents that are not empty, sorted: what no check may change.
    var contents: [[UInt8]] {
        store.allKeys.filter { !$0.string.contains("/REPORT-") }.compactMap { store.content(of: $0) }
            .filter { !$0.isEmpty }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The planted damage is found under its name at its keys; nothing is changed by looking; after mending, the second run is
    /// clean; and no content is lost.
    func expectFoundAndMended(
        _ check: CheckInfo, at keys: [ObjectKey], by mending: CheckOptions.Mending = .all,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let before = store.allKeys
        let contents = contents
        let first = await self.check()
        #expect(
            first.kinds[check.name]?.examples.map(\.key) ?? [] == keys.map(\.string), sourceLocation: sourceLocation)
        #expect(first.status == (check.severity == .note ? [] : .uncorrected), sourceLocation: sourceLocation)
        #expect(store.allKeys == before, sourceLocation: sourceLocation)
        let second = await self.check(mending)
        #expect(second.kinds[check.name]?.mended == keys.count, sourceLocation: sourceLocation)
        #expect(second.status == .corrected, "\(second.kinds)", sourceLocation: sourceLocation)
        let third = await self.check()
        #expect(third.status == [], "\(third.kinds)", sourceLocation: sourceLocation)
        #expect(third.kinds[check.name] == nil, sourceLocation: sourceLocation)
        #expect(self.contents == contents, sourceLocation: sourceLocation)
    }

    /// The finding is there, and no mending touches it.
    func expectFoundAndLeft(
        _ check: CheckInfo, at keys: [ObjectKey], sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let before = store.allObjects.map { "\($0)" }
        let report = await self.check(.all)
        #expect(
            report.kinds[check.name]?.examples.map(\.key) ?? [] == keys.map(\.string), sourceLocation: sourceLocation)
        #expect(report.kinds[check.name]?.mended ?? 0 == 0, sourceLocation: sourceLocation)
        if report.kinds.count == 1 {
            #expect(store.allObjects.map { "\($0)" } == before, sourceLocation: sourceLocation)
        }
        #expect(report.status == (check.severity == .note ? [] : .uncorrected), sourceLocation: sourceLocation)
    }
}

/// The time of the planted buckets.
struct FixedStoreClock: StoreClock {
    var now: Timestamp { Timestamp(seconds: PlantedBucket.now) }
}
