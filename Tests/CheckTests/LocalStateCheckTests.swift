import Foundation
import Logging
import ObjectStore
import ObjectStoreTesting
import S3
import Synchronization
import Testing

@testable import Check
@testable import LocalState

/// A bucket and a dead mount's directory with damage planted in it.
final class PlantedState {
    let path = NSTemporaryDirectory() + "pail-check-\(UInt64.random(in: .min ... .max))"
    var bucket = PlantedBucket()
    var directory: String { path + "/bucket-1" }

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        bucket.options.localState.directories = [directory]
        bucket.options.localState.spillDirectory = path + "/spill"
        bucket.options.localState.drainTimeout = .seconds(20)
        bucket.options.logger.logLevel = .critical
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Opens the journal as a mount does.
    func journal() throws -> Journal {
        var options = Journal.Options()
        options.minimumFree = 0
        return try Journal.open(in: StateDirectory.open(directory), options: options, logger: bucket.options.logger)
    }

    /// Leaves changes behind as a mount in write-back mode that dies while the store is gone.
    func leavePending(_ changes: (WriteBackStore) async throws -> Void) async throws {
        let writeBack = WriteBackStore(
            FaultyStoreForPending(bucket.store), journal: try journal(), logger: bucket.options.logger)
        try await changes(writeBack)
        await writeBack.abandon()
    }

    func check(_ mending: CheckOptions.Mending = .nothing) async -> CheckReport { await bucket.check(mending) }

    func database() throws -> SQLiteDatabase { try SQLiteDatabase(directory + "/journal.sqlite") }

    /// The damage is found and named, mended by `mending` and by nothing less, and gone on the second run.
    func expectFoundAndMended(
        _ check: CheckInfo, at keys: [String], by mending: CheckOptions.Mending = .preen,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let first = await self.check()
        #expect(first.kinds[check.name]?.examples.map(\.key) ?? [] == keys, sourceLocation: sourceLocation)
        #expect(first.status == .uncorrected, "\(first)", sourceLocation: sourceLocation)
        if mending == .all {
            let preened = await self.check(.preen)
            #expect(preened.kinds[check.name]?.left == keys.count, "\(preened)", sourceLocation: sourceLocation)
        }
        let second = await self.check(mending)
        #expect(second.kinds[check.name]?.mended == keys.count, "\(second)", sourceLocation: sourceLocation)
        #expect(second.status == .corrected, "\(second)", sourceLocation: sourceLocation)
        let third = await self.check()
        #expect(third.status == [], "\(third)", sourceLocation: sourceLocation)
        #expect(third.kinds[check.name] == nil, sourceLocation: sourceLocation)
    }

    /// The damage is found, and stays whatever is asked for.
    func expectFoundAndLeft(
        _ check: CheckInfo, at keys: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        for mending in [CheckOptions.Mending.nothing, .all] {
            let report = await self.check(mending)
            #expect(
                report.kinds[check.name]?.examples.map(\.key) ?? [] == keys, "\(report)", sourceLocation: sourceLocation
            )
            #expect(report.kinds[check.name]?.mended ?? 0 == 0, sourceLocation: sourceLocation)
            #expect(
                report.status.contains(.uncorrected) == (check.severity > .note), "\(report)",
                sourceLocation: sourceLocation)
        }
    }
}

/// Reads answer; changes do not come through: what is written stays pending.
final class FaultyStoreForPending: DecoratingStore {
    let base: any ObjectStore
    init(_ base: any ObjectStore) { self.base = base }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        switch request.operation {
        case .head, .get, .list, .listUploads: return try await call()
        default: throw StoreError(.unreachable, operation: request.operation.rawValue, key: request.key)
        }
    }
}

@Suite struct LocalStateCheckTests {
    private let large = [UInt8](repeating: 7, count: 3 << 20)

    @Test func nothingIsKeptAndNothingIsMade() async throws {
        let state = try PlantedState()
        #expect(await state.check(.all).status == [])
        #expect(!FileManager.default.fileExists(atPath: state.directory + "/journal.sqlite"))
    }

    @Test func aJournalThatHoldsNothingIsClean() async throws {
        let state = try PlantedState()
        try state.journal().close()
        let report = await state.check()
        #expect(report.status == [] && report.kinds.isEmpty, "\(report)")
        // Killed before its first transaction.
        try FileManager.default.removeItem(atPath: state.directory + "/journal.sqlite")
        #expect(FileManager.default.createFile(atPath: state.directory + "/journal.sqlite", contents: nil))
        #expect(await state.check(.all).status == [])
    }

    @Test func pendingChange() async throws {
        let state = try PlantedState()
        state.bucket.plant("old", "old")
        let large = large
        try await state.leavePending { store in
            _ = try await store.put("new", body: ArrayBody(Array("small".utf8)), metadata: ObjectMetadata(), if: .none)
            _ = try await store.put("large", body: ArrayBody(large), metadata: ObjectMetadata(), if: .none)
            try await store.delete("old", if: .none)
        }
        await state.expectFoundAndMended(PendingChange.info, at: ["new", "large", "old"])
        #expect(state.bucket.store.content(of: "new") == Array("small".utf8))
        #expect(state.bucket.store.content(of: "large") == large)
        #expect(state.bucket.store.content(of: "old") == nil)
    }

    @Test func aChangeThatMeetsAnotherIsKeptAndThenMoved() async throws {
        let state = try PlantedState()
        state.bucket.plant("file", "base")
        try await state.leavePending { store in
            let etag = try await store.head("file").etag
            _ = try await store.put(
                "file", body: ArrayBody(Array("mine".utf8)), metadata: ObjectMetadata(),
                if: .matches(try #require(etag)))
        }
        state.bucket.plant("file", "theirs")
        let first = await state.check(.preen)
        #expect(first.kinds[PendingChange.info.name]?.mended == 1, "\(first)")
        #expect(first.kinds[KeptConflict.info.name]?.left == 1, "\(first)")
        await state.expectFoundAndMended(KeptConflict.info, at: ["file"], by: .all)
        #expect(state.bucket.store.content(of: "file") == Array("theirs".utf8))
        #expect(state.bucket.store.content(of: "lost+found/file") == Array("mine".utf8))
    }

    @Test func stagedContentDamaged() async throws {
        let state = try PlantedState()
        let large = large
        try await state.leavePending { store in
            for key in ["gone", "short", "wrong"] as [ObjectKey] {
                _ = try await store.put(key, body: ArrayBody(large), metadata: ObjectMetadata(), if: .none)
            }
            _ = try await store.put("inline", body: ArrayBody([1, 2]), metadata: ObjectMetadata(), if: .none)
        }
        let contents = try JournalInventory.read(state.directory, .rows)
        #expect(contents.contents.isEmpty)
        let inventory = try JournalInventory.read(state.directory, .contents)
        #expect(inventory.contents.allSatisfy { $0.damage == nil })
        func file(_ key: ObjectKey) throws -> String {
            let content = try #require(inventory.contents.first { $0.keys == [key] })
            return state.directory + "/blobs/\(content.id)"
        }
        try FileManager.default.removeItem(atPath: file("gone"))
        #expect(truncate(try file("short"), 1000) == 0)
        let wrong = try #require(FileHandle(forUpdatingAtPath: file("wrong")))
        try wrong.seek(toOffset: 2 << 20)
        try wrong.write(contentsOf: Data([9]))
        try wrong.close()
        let database = try state.database()
        try database.run("UPDATE contents SET bytes = x'0909' WHERE length = 2")
        database.close()
        state.bucket.options.readsHeaders = false
        let fast = await state.check()
        #expect(fast.kinds[StagedContentDamaged.info.name]?.examples.map(\.key) == ["gone", "short"], "\(fast)")
        state.bucket.options.readsHeaders = true
        await state.expectFoundAndLeft(StagedContentDamaged.info, at: ["gone", "short", "wrong", "inline"])
        #expect(state.bucket.store.allKeys.isEmpty)
    }

    @Test func journalDamaged() async throws {
        let state = try PlantedState()
        let large = large
        try await state.leavePending { store in
            _ = try await store.put("file", body: ArrayBody(large), metadata: ObjectMetadata(), if: .none)
        }
        for name in ["journal.sqlite-wal", "journal.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: state.directory + "/" + name)
        }
        try Data(repeating: 0x55, count: 8192).write(to: URL(fileURLWithPath: state.directory + "/journal.sqlite"))
        await state.expectFoundAndMended(JournalDamaged.info, at: [state.directory], by: .all)
        let aside = try #require(JournalInventory.setAside(in: state.directory).first)
        #expect(try FileManager.default.contentsOfDirectory(atPath: aside + "/blobs").count == 1, "nothing is deleted")
        await state.expectFoundAndLeft(JournalSetAside.info, at: [aside])
    }

    @Test func unreadableRecord() async throws {
        let state = try PlantedState()
        try await state.leavePending { store in
            _ = try await store.put("file", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .none)
        }
        let database = try state.database()
        try database.run("UPDATE intents SET record = x'FF'")
        database.close()
        await state.expectFoundAndLeft(UnreadableRecord.info, at: ["file"])
        #expect(try JournalInventory.read(state.directory, .contents).contents.count == 1, "its content stays")
    }

    @Test func unneededContentAndStrayFile() async throws {
        let state = try PlantedState()
        try state.journal().close()
        let database = try state.database()
        try database.run("INSERT INTO contents (id, length, checksums, bytes) VALUES (5, 1, x'00000000', x'01')")
        database.close()
        #expect(FileManager.default.createFile(atPath: state.directory + "/blobs/77", contents: Data([1, 2, 3])))
        let first = await state.check()
        #expect(first.kinds[UnneededContent.info.name]?.found == 1)
        #expect(first.kinds[StrayContentFile.info.name]?.examples.map(\.detail) == ["3 bytes"])
        #expect(FileManager.default.fileExists(atPath: state.directory + "/blobs/77"))
        let second = await state.check(.preen)
        #expect(second.status == .corrected && second.mended == 2, "\(second)")
        #expect(await state.check().status == [])
        #expect(!FileManager.default.fileExists(atPath: state.directory + "/blobs/77"))
    }

    @Test func abandonedUpload() async throws {
        let state = try PlantedState()
        let upload = try await state.bucket.store.createUpload("big", metadata: ObjectMetadata())
        let journal = try state.journal()
        try await journal.uploadBegan(upload)
        journal.abandon()
        // Told once, by the journal.
        state.bucket.options.minimumAge = 0
        #expect(await state.check().kinds[IncompleteUpload.info.name] == nil)
        await state.expectFoundAndMended(AbandonedUpload.info, at: ["big"])
        #expect(state.bucket.store.uploadsUnderWay.isEmpty)
    }

    @Test func abandonedCopy() async throws {
        let state = try PlantedState()
        state.bucket.plant(".pail/unlinked/9", "unlinked")
        let journal = try state.journal()
        try await journal.hiddenBegan(".pail/unlinked/9")
        journal.abandon()
        #expect(await state.check().kinds[UnlinkedLeftover.info.name] == nil)
        await state.expectFoundAndMended(AbandonedCopy.info, at: [".pail/unlinked/9"])
        #expect(state.bucket.store.allKeys.isEmpty)
    }

    @Test func unfinishedRename() async throws {
        let state = try PlantedState()
        for name in ["old/", "old/a", "old/b", "new/", "new/a"] {
            state.bucket.plant(ObjectKey(name), name.hasSuffix("/") ? "" : "x")
        }
        let journal = try state.journal()
        _ = try await journal.renameBegan(from: "old/", to: "new/")
        journal.abandon()
        await state.expectFoundAndMended(UnfinishedRenames.info, at: ["old/"])
        #expect(state.bucket.store.allKeys == ["old/", "old/a", "old/b"])
    }

    @Test func journalOverQuota() async throws {
        let state = try PlantedState()
        let large = large
        try await state.leavePending { store in
            _ = try await store.put("file", body: ArrayBody(large), metadata: ObjectMetadata(), if: .none)
        }
        state.bucket.options.localState.maximumBytes = 1 << 20
        #expect(await state.check().kinds[JournalOverQuota.info.name]?.examples.map(\.key) == [state.directory])
        #expect(await state.check(.preen).status == .corrected)
        #expect(await state.check().kinds.isEmpty)
    }

    @Test func cachedBlockDamaged() async throws {
        let state = try PlantedState()
        try state.journal().close()
        let cache = try BlockCache(state.directory + "/cache", options: .init(limit: 1 << 30, minimumFree: 0))
        let content = [UInt8](repeating: 7, count: 3 * Int(BlockID.size))
        let etag = state.bucket.store.insert("file", content)
        let store = BlockCacheStore(state.bucket.store, cache: cache)
        try await store.get("file", range: 0..<Int64(content.count), ifMatch: etag, into: CollectingSink())
        for _ in 0..<1000 where cache.counts.bytes < content.count { try await Task.sleep(for: .milliseconds(5)) }
        cache.close()
        let paths = (0..<3).map { state.directory + "/cache/" + BlockID(key: "file", etag: etag, index: $0).fileName }
        #expect(await state.check().kinds.isEmpty)
        // One changed, one cut short, one under another's name.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: paths[0]))
        bytes[bytes.count / 2] ^= 4
        try bytes.write(to: URL(fileURLWithPath: paths[0]))
        try Data(bytes.prefix(5)).write(to: URL(fileURLWithPath: paths[1]))
        let moved = paths[2] + "0"
        try FileManager.default.moveItem(atPath: paths[2], toPath: moved)
        await state.expectFoundAndMended(CachedBlockDamaged.info, at: [paths[0], paths[1], moved].sorted())
    }

    @Test func spillLeftover() async throws {
        let state = try PlantedState()
        state.bucket.options.minimumAge = -3_000_000_000
        try FileManager.default.createDirectory(atPath: state.path + "/spill", withIntermediateDirectories: true)
        let empty = state.path + "/spill/.pail-spill-abc"
        let full = state.path + "/spill/.pail-spill-def"
        #expect(FileManager.default.createFile(atPath: empty, contents: nil))
        #expect(FileManager.default.createFile(atPath: full, contents: Data([1])))
        await state.expectFoundAndMended(SpillLeftover.info, at: [empty])
        #expect(FileManager.default.fileExists(atPath: full))
    }

    @Test func aLiveMountsDirectoryIsLeftAlone() async throws {
        let state = try PlantedState()
        let journal = try state.journal()
        let upload = try await state.bucket.store.createUpload("big", metadata: ObjectMetadata())
        try await journal.uploadBegan(upload)
        _ = try await journal.keep(
            "file", pieces: [.bytes(ArrayBody([1]))], metadata: ObjectMetadata(), base: nil, reason: "changed elsewhere"
        )
        let report = await state.check(.all)
        #expect(report.kinds[AbandonedUpload.info.name] == nil)
        #expect(report.kinds[KeptConflict.info.name]?.failed == 1, "\(report)")
        #expect(report.remarks.contains { $0.contains("in use by process \(getpid())") })
        #expect(state.bucket.store.uploadsUnderWay.count == 1)
        #expect(journal.kept.count == 1)
        journal.close()
    }

    @Test func aStoreThatIsGoneLeavesAllAsItWas() async throws {
        let state = try PlantedState()
        try await state.leavePending { store in
            _ = try await store.put("file", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .none)
        }
        var options = state.bucket.options
        options.mending = .all
        options.localState.drainTimeout = .milliseconds(300)
        let report = await BucketCheck(FaultyStoreForPending(state.bucket.store), options: options).run()
        #expect(report.kinds[PendingChange.info.name]?.failed == 1, "\(report)")
        #expect(try JournalInventory.read(state.directory, .rows).changes.map(\.key) == ["file"])
        await state.expectFoundAndMended(PendingChange.info, at: ["file"])
    }
}

@Suite struct OwnedWorkTests {
    /// A live mount's journal that names an upload and an unlinked file.
    @Test func whatALiveMountOwnsIsNoFinding() async throws {
        let state = try PlantedState()
        let journal = try state.journal()
        defer { journal.close() }
        var bucket = PlantedBucket()
        bucket.options.minimumAge = 0
        bucket.plant(".pail/unlinked/1", "open")
        bucket.plant(".pail/unlinked/2", "left")
        let own = try await bucket.store.createUpload("own", metadata: ObjectMetadata())
        _ = try await bucket.store.createUpload("left", metadata: ObjectMetadata())
        try await journal.uploadBegan(own)
        try await journal.hiddenBegan(".pail/unlinked/1")
        let directory = state.directory
        bucket.options.ownedWork = {
            var work = OwnedWork()
            if let inventory = try? JournalInventory.read(directory, .rows) { work.add(inventory) }
            return work
        }
        let first = await bucket.check()
        #expect(first.kinds[IncompleteUpload.info.name]?.examples.map(\.key) == ["left"])
        #expect(first.kinds[UnlinkedLeftover.info.name]?.examples.map(\.key) == [".pail/unlinked/2"])
        #expect(await bucket.check(.all).status == .corrected)
        #expect(bucket.store.uploadsUnderWay.map(\.key) == ["own"])
        #expect(bucket.store.content(of: ".pail/unlinked/1") != nil)
        #expect(await bucket.check().status == [])
        bucket.options.isForced = true
        #expect(await bucket.check(.all).status == .corrected)
        #expect(bucket.store.uploadsUnderWay.isEmpty)
    }

    @Test func uploadsWhosePartsStillComeAreAtWork() async throws {
        var bucket = PlantedBucket()
        _ = try await bucket.store.createUpload("big", metadata: ObjectMetadata())
        bucket.options.minimumAge = 3600
        bucket.options.now = PlantedBucket.now + 86400
        let newest = Mutex<Int64>(PlantedBucket.now + 86400 - 60)
        bucket.options.uploadProgress = { _ in
            var progress = UploadProgress()
            progress.parts = 2
            progress.bytes = 10
            progress.newest = Timestamp(seconds: newest.withLock { $0 })
            progress.requests = 1
            return progress
        }
        #expect(await bucket.check().kinds.isEmpty)
        newest.withLock { $0 = PlantedBucket.now }
        let report = await bucket.check()
        #expect(report.kinds[IncompleteUpload.info.name]?.examples.map(\.detail) == ["2 parts, 10 bytes, 24 h old"])
        bucket.options.uploadProgress = { _ in nil }
        #expect(await bucket.check().kinds.isEmpty, "it is gone")
    }

    @Test func whatIsPendingInALiveMountIsNotMended() async throws {
        let state = try PlantedState()
        try await state.leavePending { store in
            _ = try await store.put("n", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .none)
        }
        var bucket = PlantedBucket()
        bucket.plant("n", "x", user: ["uid": "bad"])
        let inventory = try JournalInventory.read(state.directory, .rows)
        bucket.options.ownedWork = {
            var work = OwnedWork()
            work.add(inventory)
            return work
        }
        let report = await bucket.check(.all)
        #expect(report.kinds[BadOwner.info.name]?.failed == 1, "\(report)")
    }

    @Test func anExchangeOfALiveMountIsAtWork() async throws {
        let state = try PlantedState()
        let journal = try state.journal()
        _ = try await journal.exchangeBegan(
            KeyExchange(
                id: 0, small: "x", large: "z", aside: ".pail/exchange/7/x", asideOfLarge: ".pail/exchange/7-kept/x"))
        journal.close()
        var bucket = PlantedBucket()
        bucket.options.minimumAge = 0
        bucket.plant(".pail/exchange/7/x", "one of a mount", age: 7200)
        bucket.plant(".pail/exchange/8/y", "nobody's", age: 7200)
        let inventory = try JournalInventory.read(state.directory, .rows)
        bucket.options.ownedWork = {
            var work = OwnedWork()
            work.add(inventory)
            return work
        }
        let report = await bucket.check()
        #expect(report.kinds[ExchangeLeftover.info.name]?.examples.map(\.key) == [".pail/exchange/8/y"])
    }
}
