import Foundation
import ObjectStore
import ObjectStoreTesting
import Synchronization
import Testing

@testable import LocalState

/// What a store that uploads later promises one by one: the requests that it spares, and what becomes of failures.
@Suite struct WriteBackStoreTests {
    let scratch = ScratchDirectory()
    let memory = InMemoryStore(options: .s3.with(minimumPartSize: 1 << 16))

    /// Holds back every mutation until it is told to let them pass.
    private final class Gate: DecoratingStore {
        let base: any ObjectStore
        private let isOpen = Mutex(false)

        init(_ base: any ObjectStore) { self.base = base }

        func open() { isOpen.withLock { $0 = true } }

        func perform<Answer: Sendable>(
            _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
        ) async throws(StoreError) -> Answer {
            guard !request.operation.isMutation || isOpen.withLock({ $0 }) else {
                throw StoreError(.unreachable, operation: request.operation.rawValue, key: request.key)
            }
            return try await call()
        }
    }

    private func options() -> WriteBackStore.Options {
        var options = WriteBackStore.Options()
        options.transientDelay = { _ in .milliseconds(2) }
        options.permanentDelay = .milliseconds(2)
        options.throughDeadline = .milliseconds(50)
        return options
    }

    private func body(_ text: String) -> ArrayBody { ArrayBody(Array(text.utf8)) }

    private func text(_ store: any ObjectStore, _ key: ObjectKey, _ etag: ETag? = nil) async throws -> String {
        String(decoding: try await store.bytes(of: key, ifMatch: etag), as: UTF8.self)
    }

    /// Mutations that the bucket was asked for.
    private var mutations: [String] {
        memory.log.requests.filter(\.operation.isMutation).map { "\($0.operation.rawValue) \($0.key)" }
    }

    @Test func aFileWrittenRenamedAndRewrittenIsOnePut() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        // What has failed rests until somebody waits for it: nothing is on its way when its place is taken.
        var options = options()
        options.transientDelay = { _ in .seconds(1000) }
        let store = WriteBackStore(gate, journal: journal, options: options)
        for content in ["one", "two"] {
            _ = await store.wait(
                until: { table in table.intents.keys.allSatisfy { table.schedule.phase($0) != .running } }, within: nil)
            let temporary = try await store.put("t", body: body(content), metadata: .init(), if: .presumedAbsent)
            _ = await store.wait(
                until: { table in table.intents.keys.allSatisfy { table.schedule.phase($0) != .running } }, within: nil)
            _ = try await store.copy(CopyRequest(source: "t", sourceMatches: temporary.etag, destination: "f"))
            try await store.delete("t", if: .matches(try #require(temporary.etag)))
        }
        #expect(try await text(store, "f") == "two")
        #expect(try await store.listAll("").objects.map(\.key) == ["f"])
        #expect(memory.allKeys == [])
        _ = await store.wait(
            until: { table in table.intents.keys.allSatisfy { table.schedule.phase($0) != .running } }, within: nil)
        gate.open()
        try await store.settle()
        #expect(mutations == ["PutObject f"])
        #expect(try await text(memory, "f") == "two")
        await store.close()
    }

    @Test func whatWasNeverThereGoesWithoutARequest() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(gate, journal: journal, options: options())
        _ = try await store.put("known", body: body("x"), metadata: .init(), if: .none)
        _ = try await store.put("new", body: body("x"), metadata: .init(), if: .presumedAbsent)
        try await store.delete("known", if: .none)
        try await store.delete("new", if: .none)
        gate.open()
        try await store.settle()
        #expect(mutations == ["DeleteObject known"])
        #expect(journal.shelf.bytes == 0)
        await store.close()
    }

    @Test func aVersionKeepsItsNameAfterTheUploadAndAForeignOneShows() async throws {
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(memory, journal: journal, options: options())
        let etag = try #require(try await store.put("a", body: body("one"), metadata: .init(), if: .none).etag)
        let pending = try await store.head("a")
        #expect(pending.etag == etag && ProvisionalETag.isOne(etag))
        try await store.settle()
        #expect(try await store.head("a") == pending)
        #expect(try await store.listAll("").objects.map(\.etag) == [etag])
        #expect(try await text(store, "a", etag) == "one")
        _ = try await store.put("a", body: body("two"), metadata: .init(), if: .matches(etag))
        try await store.settle()
        #expect(try await text(memory, "a") == "two")
        let foreign = memory.insert("a", Array("three".utf8))
        #expect(try await store.head("a").etag == foreign)
        await #expect(throws: StoreError.self) { try await text(store, "a", etag) }
        await store.close()
    }

    @Test func aConflictIsKeptAndTheStoresVersionShows() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        let store = WriteBackStore(gate, journal: journal, options: options())
        let old = memory.insert("a", Array("old".utf8))
        _ = try await store.put("a", body: body("mine"), metadata: .init(user: ["m": "1"]), if: .matches(old))
        memory.insert("a", Array("theirs".utf8))
        #expect(try await text(store, "a") == "mine")
        gate.open()
        try await store.settle()
        #expect(try await text(store, "a") == "theirs")
        let kept = try #require(journal.kept.first)
        #expect(kept.key == "a" && kept.base == old && kept.metadata.user == ["m": "1"] && kept.isComplete)
        await store.close()
        journal.close()
        let again = try scratch.journal()
        defer { again.close() }
        again.sweep()
        let keptBody = try #require(try await again.keptBody(kept.id))
        var bytes = [UInt8](repeating: 0, count: Int(keptBody.length))
        _ = try bytes.withUnsafeMutableBytes { try keptBody.read(at: 0, into: $0) }
        #expect(bytes == Array("mine".utf8))
    }

    /// `--on-conflict overwrite`: whole contents, parts of what is there by then, and deletions.
    @Test func aConflictIsOverwrittenWhereThatIsWanted() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        var options = options()
        options.overwritesConflicts = true
        let store = WriteBackStore(gate, journal: journal, options: options)
        let old = ["a", "b", "c"].map { memory.insert(ObjectKey($0), Array("old \($0)".utf8)) }
        _ = try await store.put("a", body: body("mine"), metadata: .init(), if: .matches(old[0]))
        let upload = try await store.createUpload("b", metadata: .init())
        let part = try await store.copyPart(upload, number: 1, from: "b", range: 0..<3, ifMatch: old[1])
        _ = try await store.completeUpload(upload, parts: [part], if: .matches(old[1]))
        try await store.delete("c", if: .matches(old[2]))
        for name in ["a", "b", "c"] { memory.insert(ObjectKey(name), Array("their \(name)".utf8)) }
        gate.open()
        try await store.settle()
        #expect(try await text(memory, "a") == "mine")
        #expect(try await text(memory, "b") == "the")
        #expect(memory.info(of: "c") == nil)
        #expect(journal.kept.isEmpty)
        await store.close()
    }

    @Test func aRenameWhoseCopyFailsDeletesNothing() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(gate, journal: journal, options: options())
        let etag = memory.insert("a", Array("content".utf8))
        _ = try await store.copy(
            CopyRequest(source: "a", sourceMatches: etag, destination: "b", precondition: .absent))
        try await store.delete("a", if: .none)
        memory.insert("b", Array("theirs".utf8))
        gate.open()
        try await store.settle()
        #expect(try await text(memory, "a") == "content")
        #expect(try await text(memory, "b") == "theirs")
        #expect(journal.kept.map(\.key) == ["b"])
        await store.close()
    }

    @Test func anOutageLosesNothingAndIsNamed() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(gate, journal: journal, options: options())
        _ = try await store.put("a", body: body("one"), metadata: .init(), if: .none)
        _ = await store.wait(until: { $0.intents.values.contains { $0.attempts > 1 } }, within: .seconds(10))
        let summary = store.pending()
        #expect(summary.count == 1 && summary.bytes == 3 && summary.failing == 1)
        #expect(summary.items.first?.lastError?.contains("PutObject") == true)
        // A file that must not be there already is the store's to decide: an error, and nothing is promised.
        await #expect(throws: StoreError.self) {
            try await store.put("lock", body: body(""), metadata: .init(), if: .absent)
        }
        gate.open()
        try await store.settle(prefix: "a")
        #expect(try await text(memory, "a") == "one")
        #expect(store.pending().count == 0 && store.pending().finished == 1)
        await store.close()
    }

    @Test func lockFilesAreAskedOfTheStoreExceptInOnesOwnNewDirectory() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(gate, journal: journal, options: options())
        _ = try await store.put("d/", body: body(""), metadata: .init(), if: .absent)
        _ = try await store.put("d/lock", body: body(""), metadata: .init(), if: .absent)
        await #expect(throws: StoreError.self) {
            try await store.put("d/lock", body: body(""), metadata: .init(), if: .absent)
        }
        memory.insert("taken")
        gate.open()
        let error = await #expect(throws: StoreError.self) {
            try await store.put("taken", body: body(""), metadata: .init(), if: .absent)
        }
        #expect(error?.kind == .preconditionFailed)
        try await store.settle()
        #expect(memory.allKeys == ["d/", "d/lock", "taken"])
        await store.close()
    }

    @Test func withoutRoomMutationsGoThrough() async throws {
        var small = Journal.Options.unlimited
        small.maximumBytes = 1000
        let journal = try scratch.journal(small)
        defer { journal.close() }
        let store = WriteBackStore(memory, journal: journal, options: options())
        let large = [UInt8](repeating: 1, count: 2000)
        let stored = try await store.put("a", body: ArrayBody(large), metadata: .init(), if: .none)
        #expect(memory.content(of: "a") == large)
        #expect(memory.info(of: "a")?.etag == stored.etag)
        // An upload in parts moves over with what it has.
        let upload = try await store.createUpload("b", metadata: .init())
        let one = try await store.uploadPart(upload, number: 1, body: ArrayBody([UInt8](repeating: 2, count: 900)))
        let two = try await store.uploadPart(upload, number: 2, body: ArrayBody([UInt8](repeating: 3, count: 900)))
        _ = try? await store.completeUpload(upload, parts: [one, two], if: .none)
        try await store.abortUpload(upload)
        #expect(journal.shelf.bytes == 0)
        await store.close()
    }

    /// Until nothing is on its way.
    private func rest(_ store: WriteBackStore) async {
        _ = await store.wait(
            until: { table in table.intents.keys.allSatisfy { table.schedule.phase($0) == .resting } }, within: nil)
    }

    @Test func anUploadWhoseLookFailsMayHaveBeenMade() async throws {
        // The PUT is made, its repetition refused, and the HEAD that would tell why fails.
        let faulty = FaultyStore(
            memory, [.init(.duplicated, on: .put), .init(.before(.serverError), on: .head)])
        let journal = try scratch.journal()
        defer { journal.close() }
        var options = options()
        options.transientDelay = { _ in .seconds(1000) }
        let store = WriteBackStore(faulty, journal: journal, options: options)
        let old = memory.insert("a", Array("old".utf8))
        let one = try await store.put("a", body: body("one"), metadata: .init(), if: .matches(old))
        await rest(store)
        #expect(memory.content(of: "a") == Array("one".utf8))
        _ = try await store.put("a", body: body("two"), metadata: .init(), if: .matches(try #require(one.etag)))
        try await store.settle()
        #expect(memory.content(of: "a") == Array("two".utf8))
        #expect(journal.kept == [])
        await store.close()
    }

    @Test func attributesSetAfterACopyWhoseAnswerWasLostAreNoConflict() async throws {
        let upload = try await memory.createUpload("a", metadata: .init())
        let bytes = [UInt8](repeating: 7, count: 1 << 16)
        let part = try await memory.uploadPart(upload, number: 1, body: ArrayBody(bytes))
        // In parts: a copy of it onto itself has another ETag.
        let old = try await memory.completeUpload(upload, parts: [part], if: .none).etag
        let faulty = FaultyStore(memory, [.init(.after(.timedOut), on: .copy)])
        let journal = try scratch.journal()
        defer { journal.close() }
        var options = options()
        options.transientDelay = { _ in .seconds(1000) }
        let store = WriteBackStore(faulty, journal: journal, options: options)
        let first = try await store.copy(
            CopyRequest(
                source: "a", sourceMatches: old, destination: "a", metadata: .replace(.init(user: ["mode": "1"]))))
        await rest(store)
        _ = try await store.copy(
            CopyRequest(
                source: "a", sourceMatches: first.etag, destination: "a", metadata: .replace(.init(user: ["mode": "2"]))
            ))
        try await store.settle()
        #expect(memory.info(of: "a")?.metadata.user == ["mode": "2"])
        #expect(memory.content(of: "a") == bytes)
        #expect(journal.kept == [])
        await store.close()
    }

    @Test(arguments: [false, true]) func aLockFileWhoseAnswerWasLostIsDeletedOnlyIfItIsOnesOwn(isMade: Bool)
        async throws
    {
        let fault: Fault = isMade ? .after(.timedOut) : .late
        let faulty = FaultyStore(memory, [.init(fault, on: .put, key: "d/lock")])
        let journal = try scratch.journal()
        defer { journal.close() }
        var options = options()
        options.transientDelay = { _ in .seconds(1000) }
        let store = WriteBackStore(faulty, journal: journal, options: options)
        _ = try await store.put("d/", body: body(""), metadata: .init(), if: .absent)
        _ = try await store.put("d/lock", body: body("mine"), metadata: .init(), if: .absent)
        await rest(store)
        if !isMade { memory.insert("d/lock", Array("theirs".utf8)) }
        try await store.delete("d/lock", if: .none)
        await #expect(throws: StoreError.self) { try await store.head("d/lock") }
        try await store.settle()
        #expect(memory.allKeys == (isMade ? ["d/"] : ["d/", "d/lock"]))
        if !isMade { #expect(memory.content(of: "d/lock") == Array("theirs".utf8)) }
        await store.close()
    }

    @Test func whoeverWaitsMeetsNoLongRest() async throws {
        let faulty = FaultyStore(memory, [.init(.before(.unreachable), on: .put, times: 5)])
        let journal = try scratch.journal()
        defer { journal.close() }
        var options = options()
        options.transientDelay = { _ in .seconds(1000) }
        options.awaitedDelay = .milliseconds(1)
        let store = WriteBackStore(faulty, journal: journal, options: options)
        _ = try await store.put("a", body: body("one"), metadata: .init(), if: .none)
        try await store.settle()
        #expect(memory.content(of: "a") == Array("one".utf8))
        #expect(faulty.injected.count == 5)
        await store.close()
    }

    @Test(arguments: [Fault.after(.timedOut), .duplicated, .before(.serverError)])
    func anAnswerThatIsLostIsNoConflict(fault: Fault) async throws {
        let faulty = FaultyStore(memory, [.init(fault, on: .put), .init(fault, on: .copy), .init(fault, on: .delete)])
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(faulty, journal: journal, options: options())
        let old = memory.insert("a", Array("old".utf8))
        _ = try await store.put("a", body: body("new"), metadata: .init(), if: .matches(old))
        let etag = try await store.head("a").etag
        _ = try await store.copy(
            CopyRequest(source: "a", sourceMatches: etag, destination: "b", precondition: .absent))
        try await store.settle()
        try await store.delete("a", if: .matches(try #require(etag)))
        try await store.settle()
        #expect(memory.allKeys == ["b"])
        #expect(memory.content(of: "b") == Array("new".utf8))
        #expect(journal.kept == [])
        await store.close()
    }

    @Test func whatADeadProcessLeftIsThereAtOnceAndIsUploaded() async throws {
        let closed = Gate(memory)
        var journal = try scratch.journal()
        var store = WriteBackStore(closed, journal: journal, options: options())
        memory.insert("old", Array("stored".utf8))
        let large = [UInt8](repeating: 9, count: 300_000)
        _ = try await store.put("small", body: body("s"), metadata: .init(user: ["k": "v"]), if: .presumedAbsent)
        _ = try await store.put("large", body: ArrayBody(large), metadata: .init(), if: .none)
        let moved = try await store.copy(CopyRequest(source: "old", destination: "new"))
        try await store.delete("old", if: .none)
        await store.abandon()

        journal = try scratch.journal()
        let gate = Gate(memory)
        store = WriteBackStore(gate, journal: journal, options: options())
        #expect(try await store.listAll("").objects.map(\.key) == ["large", "new", "small"])
        #expect(try await text(store, "small") == "s")
        #expect(try await store.bytes(of: "large") == large)
        #expect(try await store.bytes(of: "large", range: 200_000..<400_000) == Array(large[200_000...]))
        #expect(try await text(store, "new", moved.etag) == "stored")
        #expect(try await store.head("small").metadata.user == ["k": "v"])
        gate.open()
        try await store.settle()
        #expect(memory.allKeys == ["large", "new", "small"])
        #expect(memory.content(of: "large") == large)
        #expect(memory.content(of: "new") == Array("stored".utf8))
        await store.close()
        journal.close()
        #expect(try scratch.blobs() == [])
    }

    @Test func aDamagedContentIsNeitherServedNorUploaded() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(gate, journal: journal, options: options())
        _ = try await store.put(
            "a", body: ArrayBody([UInt8](repeating: 1, count: 200_000)), metadata: .init(), if: .none)
        let file = try #require(try scratch.blobs().first)
        truncate(scratch.state + "/blobs/" + file, 100_000)
        let error = await #expect(throws: StoreError.self) { try await store.bytes(of: "a") }
        #expect(error?.kind == .bodyUnreadable)
        gate.open()
        _ = await store.wait(until: { $0.intents.values.contains(where: \.isDamaged) }, within: .seconds(10))
        #expect(store.pending().items.first?.isDamaged == true)
        #expect(memory.allKeys == [])
        #expect(await store.close() == 1)
    }

    @Test func prefixesAppearAndVanishWithWhatIsPending() async throws {
        let gate = Gate(memory)
        let journal = try scratch.journal()
        defer { journal.close() }
        let store = WriteBackStore(gate, journal: journal, options: options())
        for key in ["a/1", "a/2", "b/1", "b/2", "c", "e"] as [ObjectKey] { memory.insert(key) }
        for key in ["a/1", "a/2", "b/1", "c"] as [ObjectKey] { try await store.delete(key, if: .none) }
        for key in ["d/1", "f"] as [ObjectKey] {
            _ = try await store.put(key, body: body("x"), metadata: .init(), if: .none)
        }
        for limit in 1...5 {
            let listed = try await store.listAll("", delimiter: "/", limit: limit)
            #expect(listed.commonPrefixes == ["b/", "d/"])
            #expect(listed.objects.map(\.key) == ["e", "f"])
            #expect(try await store.listAll("", limit: limit).objects.map(\.key) == ["b/2", "d/1", "e", "f"])
        }
        #expect(try await store.listAll("", delimiter: "/", startAfter: "d/").objects.map(\.key) == ["e", "f"])
        await store.close()
    }
}
