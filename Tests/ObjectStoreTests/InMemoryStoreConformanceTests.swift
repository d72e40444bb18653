import ObjectStore
import ObjectStoreTesting
import Testing

/// The store in memory keeps to the contract, in each of its guises.
@Suite struct InMemoryStoreConformanceTests {
    @Test(arguments: StoreConformance.checks)
    func asS3(_ check: StoreConformance.Check) async throws {
        var profile = StoreConformance.Profile()
        profile.missingMatch = [.notFound]
        try await check.run(on: InMemoryStore(options: .s3.with(minimumPartSize: 1000)), profile: profile)
    }

    @Test(arguments: StoreConformance.checks)
    func asSeaweedFS(_ check: StoreConformance.Check) async throws {
        var profile = StoreConformance.Profile()
        profile.copiesDirectoryOntoItself = false
        try await check.run(on: InMemoryStore(options: .seaweedFS.with(minimumPartSize: 1000)), profile: profile)
    }

    @Test(arguments: StoreConformance.checks)
    func ignoringConditions(_ check: StoreConformance.Check) async throws {
        try await check.run(on: InMemoryStore(options: .ignoringConditions.with(minimumPartSize: 1000)))
    }

    @Test func theSuiteFindsBrokenStores() async {
        // A suite that cannot fail proves nothing: each of these breaks one promise.
        var boasting = InMemoryStore.Options.ignoringConditions.with(minimumPartSize: 1000)
        boasting.metadataLimit = 1 << 20
        let store = Boaster(InMemoryStore(options: boasting))
        let found = Set(await StoreConformance.run(on: store).map(\.check))
        #expect(
            found == [
                "metadata-limit", "get-if-match", "put-if-absent", "put-if-match", "delete-if-match", "one-winner",
                "copy-if-match", "multipart-conditions", "part-copy",
            ])
    }

    @Test func theSuiteFindsLostWrites() async {
        let store = FaultyStore(
            InMemoryStore(), [ScriptedFaults.Rule(.before(.serverError), on: .put, times: .max)])
        let found = await StoreConformance.run(on: store)
        #expect(found.contains { $0.check == "put-head-get" && $0.message.contains("InternalError") })
    }
}

/// Says that it honours conditions which the store inside ignores.
private final class Boaster: DecoratingStore {
    let base: any ObjectStore
    var features: StoreFeatures {
        var features = StoreFeatures()
        features.minimumPartSize = base.features.minimumPartSize
        return features
    }

    init(_ base: any ObjectStore) { self.base = base }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer { try await call() }
}
