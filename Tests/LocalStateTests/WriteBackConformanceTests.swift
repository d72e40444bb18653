import ObjectStore
import ObjectStoreTesting
import Testing

@testable import LocalState

extension StoreConformance.Profile {
    /// What a store that uploads later does its own way: ETags are made up, uploads collected here are nobody else's affair.
    static let writeBack: StoreConformance.Profile = {
        var profile = StoreConformance.Profile()
        profile.tellsEqualContents = false
        profile.marksPartCount = false
        profile.listsUploads = false
        return profile
    }()
}

/// The conformance suite over a store that uploads later, with what is pending in each of the states that it can be in.
@Suite struct WriteBackConformanceTests {
    let scratch = ScratchDirectory()

    /// How far what was written is when it is looked at.
    enum Progress: String, CaseIterable {
        /// Uploads run as they come.
        case free
        /// None ends for a while, so that all is answered from the journal.
        case slow
        /// One at a time.
        case single
    }

    @Test(arguments: Progress.allCases, [("s3", true), ("seaweedfs", true), ("ignoring", true)].map(\.0))
    func allChecks(progress: Progress, kind: String) async throws {
        let options: InMemoryStore.Options =
            switch kind {
            case "s3": .s3
            case "seaweedfs": .seaweedFS
            default: .ignoringConditions
            }
        let memory = InMemoryStore(options: options.with(minimumPartSize: 1 << 16))
        let base: any ObjectStore =
            progress == .slow ? SlowStore(memory) { $0.operation.isMutation ? .milliseconds(30) : .zero } : memory
        var settings = WriteBackStore.Options()
        settings.partSize = 1 << 16
        settings.singlePutThreshold = 1 << 17
        if progress == .single { settings.parallelUploads = 1 }
        let journal = try scratch.journal()
        // As a mount does it: what a store ignores is looked at first.
        let store = WriteBackStore(CheckThenActStore(base: base), journal: journal, options: settings)
        for finding in await StoreConformance.run(on: store, profile: .writeBack) { Issue.record("\(finding)") }
        try await store.settle()
        #expect(memory.allKeys == [])
        #expect(journal.kept == [])
        // One that had to go to the store, and whose completion was refused, is for the next start to abort.
        #expect(Set(memory.uploadsUnderWay.map(\.id)) == Set(journal.uploads.map(\.id)))
        #expect(await store.close(draining: .seconds(10)) == 0)
        journal.close()
        // What is left on the disk are parts of uploads that were never completed: nothing names them.
        let again = try scratch.journal()
        defer { again.close() }
        #expect(again.shelf.bytes == 0)
        #expect(try scratch.blobs() == [])
    }
}
