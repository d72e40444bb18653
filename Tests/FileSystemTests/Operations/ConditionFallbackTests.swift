import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Conditions on stores that do not honour them: the mount looks before it acts, once it knows, and while it does not know yet.
struct ConditionFallbackTests {
    /// What a mount may know of a store that ignores all conditions.
    enum Knowledge: CaseIterable, Sendable {
        case probing, probed
    }

    @Test(arguments: Knowledge.allCases) func aChangeOfAPartOfAReplacedFileIsRefused(_ knowledge: Knowledge)
        async throws
    {
        let bucket = TestBucket()
        _ = try await bucket.store.put(
            "file", body: ArrayBody(Array("old content".utf8)), metadata: ObjectMetadata(), if: .none)
        let store = CheckThenActStore(base: mountStore(bucket, knowledge))
        let etag = try #require(try await store.head("file").etag)
        _ = try await bucket.store.put(
            "file", body: ArrayBody(Array("elsewhere".utf8)), metadata: ObjectMetadata(), if: .none)
        await #expect(throws: StoreError.self) {
            _ = try await store.put("file", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .matches(etag))
        }
        await #expect(throws: StoreError.self) { try await store.delete("file", if: .matches(etag)) }
        await #expect(throws: StoreError.self) {
            _ = try await store.copy(CopyRequest(source: "file", sourceMatches: etag, destination: "copy"))
        }
        await #expect(throws: StoreError.self) {
            _ = try await store.copy(CopyRequest(source: "file", destination: "file", precondition: .absent))
        }
        let upload = try await store.createUpload("file", metadata: ObjectMetadata())
        let part = try await store.uploadPart(upload, number: 1, body: ArrayBody([2]))
        await #expect(throws: StoreError.self) {
            _ = try await store.completeUpload(upload, parts: [part], if: .matches(etag))
        }
        await #expect(throws: StoreError.self) {
            _ = try await store.copyPart(upload, number: 1, from: "file", range: 0..<4, ifMatch: etag)
        }
        #expect(bucket.text("file") == "elsewhere")
        // The right ones are taken.
        let now = try #require(try await store.head("file").etag)
        _ = try await store.copy(
            CopyRequest(source: "file", sourceMatches: now, destination: "copy", precondition: .absent))
        _ = try await store.put(
            "file", body: ArrayBody(Array("new".utf8)), metadata: ObjectMetadata(), if: .matches(now))
        #expect(bucket.text("file") == "new")
        #expect(bucket.text("copy") == "elsewhere")
    }

    private func mountStore(_ bucket: TestBucket, _ knowledge: Knowledge) -> ConditionBlindStore {
        let store = ConditionBlindStore(
            bucket.store,
            blind: [
                .conditionalWrites, .conditionalCompletions, .conditionalDeletes, .conditionalCopies,
                .conditionalCopyTargets,
            ])
        var features = store.features
        switch knowledge {
        case .probing: features.isProbing = true
        case .probed: features = InMemoryStore.Options.ignoringConditions.features
        }
        store.setFeatures(features)
        return store
    }

    @Test func aStoreThatHonoursThemIsNotAskedTwice() async throws {
        let bucket = TestBucket()
        let store = CheckThenActStore(base: bucket.store)
        bucket.store.log.reset()
        _ = try await store.put("file", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .absent)
        #expect(bucket.requests() == ["PutObject": 1])
    }
}
