import Foundation
import ObjectStore
import ObjectStoreTesting
import Testing

@testable import LocalState

/// A directory of a test's own, removed with it.
final class ScratchDirectory: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "pail-local-\(UInt64.random(in: .min ... .max))"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The journal in it, as a mount opens it.
    func journal(_ options: Journal.Options = .unlimited) throws -> Journal {
        try Journal.open(in: StateDirectory.open(path + "/state"), options: options)
    }

    var state: String { path + "/state" }

    func blobs() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: state + "/blobs").sorted() }
}

extension Journal.Options {
    /// Nothing is to stay free: a test machine's disk may be nearly full.
    static var unlimited: Journal.Options {
        var options = Journal.Options()
        options.minimumFree = 0
        return options
    }
}

@Suite struct JournalTests {
    let scratch = ScratchDirectory()

    @Test func aSecondOwnerIsToldWhoTheFirstIs() throws {
        let first = try StateDirectory.open(scratch.state)
        #expect(throws: LocalStateError(.inUse(pid: getpid()), path: scratch.state)) {
            try StateDirectory.open(scratch.state)
        }
        first.close()
        try StateDirectory.open(scratch.state).close()
    }

    /// As a child has it between fork(2) and exec(3).
    @Test func aDescriptorElsewhereDoesNotKeepTheLock() throws {
        let first = try StateDirectory.open(scratch.state)
        var inherited: Int32 = -1
        for descriptor in 0..<Int32(4096) {
            var target = [CChar](repeating: 0, count: 4096)
            guard readlink("/proc/self/fd/\(descriptor)", &target, target.count - 1) > 0 else { continue }
            if String(decoding: target.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).hasSuffix(
                "\(scratch.state)/lock")
            {
                inherited = dup(descriptor)
            }
        }
        try #require(inherited >= 0)
        defer { Glibc.close(inherited) }
        first.close()
        try StateDirectory.open(scratch.state).close()
    }

    @Test func identifiersAreReadableAndTellPrefixesApart() {
        let one = StateDirectory.identifier(endpoint: "http://h:1", bucket: "b.ucket", prefix: "a/b")
        #expect(one.hasPrefix("b_ucket-a_b-"))
        #expect(one != StateDirectory.identifier(endpoint: "http://h:1", bucket: "b.ucket", prefix: "a_b"))
        #expect(one != StateDirectory.identifier(endpoint: "http://h:2", bucket: "b.ucket", prefix: "a/b"))
        #expect(!one.contains("/"))
    }

    @Test func workUnderWayIsFoundAgain() async throws {
        var journal = try scratch.journal()
        let upload = MultipartUpload(key: "k\u{e9}", id: "id")
        try await journal.uploadBegan(upload)
        try await journal.uploadBegan(MultipartUpload(key: "done", id: "x"))
        try await journal.uploadEnded(MultipartUpload(key: "done", id: "x"))
        let rename = try await journal.renameBegan(from: "a/", to: "b/")
        let over = try await journal.renameBegan(from: "c/", to: "d/")
        try await journal.renameReached(rename, .deleting)
        try await journal.renameEnded(over)
        try await journal.hiddenBegan(".pail/unlinked/1")
        try await journal.hiddenBegan(".pail/unlinked/2")
        try await journal.hiddenEnded(".pail/unlinked/1")
        journal.close()
        await #expect(throws: LocalStateError.self) { try await journal.hiddenBegan("late") }

        journal = try scratch.journal()
        defer { journal.close() }
        #expect(journal.uploads.map(\.key) == ["k\u{e9}"])
        #expect(journal.uploads.map(\.id) == ["id"])
        #expect(journal.renames == [DirectoryRename(id: rename, from: "a/", to: "b/", phase: .deleting)])
        #expect(journal.hidden == [".pail/unlinked/2"])
        #expect(try await journal.renameBegan(from: "e/", to: "f/") != rename)
    }

    @Test(arguments: [0, 1, 1000, 64 << 10, (64 << 10) + 1, (2 << 20) + 77])
    func keptContentIsReadBack(size: Int) async throws {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        var metadata = ObjectMetadata(contentType: "t", user: ["mode": "1", "\u{e9}": ""])
        metadata.cacheControl = "c"
        metadata.storageClass = "GLACIER"
        var journal = try scratch.journal()
        let kept = try await journal.keep(
            "key", pieces: [.bytes(ArrayBody(bytes))], metadata: metadata, base: ETag("e"), reason: "why")
        journal.close()

        journal = try scratch.journal()
        journal.sweep()
        #expect(journal.kept == [kept])
        #expect(kept.metadata == metadata && kept.base == ETag("e") && kept.size == Int64(size) && kept.isComplete)
        // Another process reads it beside the owner.
        let archive = try KeptArchive(scratch.state)
        #expect(archive.kept == [kept])
        let copy = open(scratch.path + "/copy", O_RDWR | O_CREAT | O_EXCL, 0o600)
        #expect(try archive.write(kept.id, to: copy) == [])
        #expect(try archive.write(kept.id + 1, to: copy) == nil)
        close(copy)
        #expect(FileManager.default.contents(atPath: scratch.path + "/copy") == Data(bytes))
        let body = try #require(try await journal.keptBody(kept.id))
        #expect(try read(body, from: 0) == bytes)
        #expect(try read(body, from: Int64(size / 3)) == Array(bytes[(size / 3)...]))
        try await journal.dropKept(kept.id)
        journal.close()

        journal = try scratch.journal()
        defer { journal.close() }
        #expect(journal.kept.isEmpty)
        #expect(journal.shelf.bytes == 0)
        #expect(try scratch.blobs().isEmpty)
    }

    /// What a strict mount could not store is there after a crash, and the next one stores it under its condition.
    @Test(arguments: [3, 100_000]) func unstoredContentIsStoredByTheNextMount(size: Int) async throws {
        let bucket = InMemoryStore()
        bucket.insert("old", Array("0123456789".utf8))
        bucket.insert("changed", Array("0123456789".utf8))
        let version = try await bucket.head("old").etag
        let other = try await bucket.head("changed").etag
        let bytes = [UInt8](repeating: 7, count: size)
        var journal = try scratch.journal()
        let first = try await journal.keepForUpload(
            "new", pieces: [.bytes(ArrayBody([1]))], metadata: .init(), base: nil, replacing: nil)
        _ = try await journal.keepForUpload(
            "new", pieces: [.bytes(ArrayBody(bytes))], metadata: .init(user: ["mtime": "1"]), base: nil,
            replacing: first)
        for key: ObjectKey in ["old", "changed"] {
            _ = try await journal.keepForUpload(
                key,
                pieces: [
                    .bytes(ArrayBody(bytes)), .stored(key: key, etag: key == "old" ? version : other, range: 2..<10),
                ], metadata: .init(), base: key == "old" ? version : other, replacing: nil)
        }
        let dropped = try await journal.keepForUpload(
            "stored", pieces: [.bytes(ArrayBody(bytes))], metadata: .init(), base: nil, replacing: nil)
        try await journal.dropForUpload(dropped)
        #expect(journal.unstored.map(\.key) == ["new", "old", "changed"])
        journal.abandon()

        bucket.insert("changed", Array("theirs".utf8))
        journal = try scratch.journal()
        #expect(journal.intentsLeft == 3)
        let store = WriteBackStore(bucket, journal: journal)
        #expect(await store.close(draining: .seconds(60)) == 0)
        #expect(bucket.content(of: "new") == bytes)
        #expect(bucket.content(of: "old") == bytes + Array("23456789".utf8))
        #expect(bucket.content(of: "changed") == Array("theirs".utf8))
        #expect(bucket.allKeys == ["changed", "new", "old"])
        #expect(journal.kept.map(\.key) == ["changed"])
        journal.close()
    }

    private func read(_ body: any RequestBody, from start: Int64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(body.length - start))
        var done = 0
        while done < bytes.count {
            let count = try bytes.withUnsafeMutableBytes {
                try body.read(at: start + Int64(done), into: UnsafeMutableRawBufferPointer(rebasing: $0[done...]))
            }
            try #require(count > 0)
            done += count
        }
        return bytes
    }

    @Test func whatNoRowNamesIsRemovedAndWhatIsGoneIsReported() async throws {
        var journal = try scratch.journal()
        let large = [UInt8](repeating: 7, count: 100_000)
        _ = try await journal.keep("a", pieces: [.bytes(ArrayBody(large))], metadata: .init(), base: nil, reason: "r")
        let kept = try await journal.keep(
            "b", pieces: [.bytes(ArrayBody(large))], metadata: .init(), base: nil, reason: "r")
        journal.close()
        let names = try scratch.blobs()
        #expect(names.count == 2)
        try Data([1]).write(to: URL(fileURLWithPath: scratch.state + "/blobs/777"))
        truncate(scratch.state + "/blobs/" + names[1], 50_000)

        journal = try scratch.journal()
        defer { journal.close() }
        #expect(try scratch.blobs() == names)
        #expect(journal.findings.count == 1)
        #expect(journal.kept.count == 2)
        let body = try #require(try await journal.keptBody(kept.id))
        #expect(throws: LocalStateError.self) { try read(body, from: 0) }
    }

    @Test func aChangedByteIsNotServed() async throws {
        let journal = try scratch.journal()
        defer { journal.close() }
        let large = [UInt8](repeating: 7, count: 3 << 20)
        let kept = try await journal.keep(
            "a", pieces: [.bytes(ArrayBody(large))], metadata: .init(), base: nil, reason: "r")
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: scratch.state + "/blobs/" + scratch.blobs()[0]))
        try file.seek(toOffset: (1 << 20) + 5)
        try file.write(contentsOf: Data([8]))
        try file.close()
        let body = try #require(try await journal.keptBody(kept.id))
        #expect(throws: LocalStateError.self) { try read(body, from: 0) }
        #expect(try read(body, from: 2 << 20).count == 1 << 20)
    }

    @Test func aDamagedJournalIsPutAside() async throws {
        var journal = try scratch.journal()
        let large = [UInt8](repeating: 7, count: 100_000)
        _ = try await journal.keep("a", pieces: [.bytes(ArrayBody(large))], metadata: .init(), base: nil, reason: "r")
        journal.close()
        try Data("this is no database, and never was one".utf8).write(
            to: URL(fileURLWithPath: scratch.state + "/journal.sqlite"))

        journal = try scratch.journal()
        defer { journal.close() }
        #expect(journal.findings.count == 1)
        #expect(journal.kept.isEmpty)
        let aside = try #require(
            try FileManager.default.contentsOfDirectory(atPath: scratch.state).first { $0.hasPrefix("damaged-") })
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.state + "/" + aside + "/blobs").count == 1)
        try await journal.hiddenBegan("works")
    }

    /// A journal of the first format, whose records have no checksum, is read and brought up.
    @Test func anOlderFormatIsBroughtUp() async throws {
        var journal = try scratch.journal()
        let kept = try await journal.keep(
            "key", pieces: [.bytes(ArrayBody([1, 2, 3]))], metadata: .init(), base: nil, reason: "r")
        journal.close()
        let database = try SQLiteDatabase(scratch.state + "/journal.sqlite")
        let record = try database.query("SELECT record FROM kept", [], { $0.blob(0) })[0]
        try database.run("UPDATE kept SET record = ?", [.blob(Array(record.dropLast(RecordSeal.length)))])
        try database.execute("DROP TABLE exchanges; PRAGMA user_version = 1")
        database.close()
        for _ in 0..<2 {
            journal = try scratch.journal()
            #expect(journal.kept == [kept] && journal.findings.isEmpty)
            journal.close()
        }
    }

    @Test func aNewerFormatIsRefused() throws {
        try scratch.journal().close()
        let database = try SQLiteDatabase(scratch.state + "/journal.sqlite")
        try database.execute("PRAGMA user_version = 99")
        #expect(
            throws: LocalStateError(
                .newerFormat(found: 99, known: JournalSchema.format), path: scratch.state + "/journal.sqlite")
        ) { try scratch.journal() }
    }

    @Test func aFullCapIsAnErrorAndKeepsNothing() async throws {
        var options = Journal.Options.unlimited
        options.maximumBytes = 1000
        let journal = try scratch.journal(options)
        defer { journal.close() }
        let error = await #expect(throws: LocalStateError.self) {
            try await journal.keep(
                "a", pieces: [.bytes(ArrayBody([UInt8](repeating: 0, count: 1001)))], metadata: .init(), base: nil,
                reason: "")
        }
        #expect(error?.kind == .diskFull)
        _ = try await journal.keep(
            "a", pieces: [.bytes(ArrayBody([UInt8](repeating: 0, count: 1000)))], metadata: .init(), base: nil,
            reason: "")
    }

    @Test func aChangeThatFailsTakesNoOtherAlong() async throws {
        let journal = try scratch.journal()
        defer { journal.close() }
        let succeeded = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<40 {
                group.addTask {
                    do {
                        try await journal.change { database throws(LocalStateError) in
                            try database.run("INSERT INTO hidden (key) VALUES (?)", [.text("h\(number)")])
                            // A NULL key is refused, after the first insertion was made.
                            if number % 4 == 0 { try database.run("INSERT INTO intents VALUES (1, NULL, NULL)") }
                        }
                        return true
                    } catch { return false }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(succeeded == 30)
        journal.close()
        let again = try scratch.journal()
        defer { again.close() }
        #expect(again.hidden.count == 30)
    }
}
