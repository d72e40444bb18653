import Logging
import ObjectStore
import ObjectStoreTesting
import Synchronization
import Testing

@testable import FileSystem

/// A directory's rename that is cut off by a crash, at each of its requests, and what the next mount makes of it.
@Suite(.timeLimit(.minutes(15))) struct RenameRecoveryTests {
    /// What the journal holds: a process that has died notes nothing any more.
    private final class Log: RenameLog {
        private let store: CrashingStore
        private let renames = Mutex<[Int64: UnfinishedRename]>([:])

        init(store: CrashingStore) { self.store = store }

        var left: [UnfinishedRename] { Array(renames.withLock { $0 }.values) }

        func renameBegan(from: String, to: String, replacing replaces: Bool) async throws -> Int64 {
            renames.withLock {
                $0[1] = UnfinishedRename(from: from, to: to, isDeleting: false, replaces: replaces)
            }
            return 1
        }
        func renameDeletes(_ id: Int64) async throws {
            if !store.hasCrashed { renames.withLock { $0[id]?.isDeleting = true } }
        }
        func renameEnded(_ id: Int64) async {
            if !store.hasCrashed { renames.withLock { $0[id] = nil } }
        }
        func exchangeBegan(_ exchange: UnfinishedExchange) async throws -> Int64 { 2 }
        func exchangeEnded(_ id: Int64, leaving garbage: ObjectKey?) async {}
    }

    private static let contents = ["a": "1", "b/c": "22", "b/d": "333", "b/e/f": "4444", "g h": "55555"]
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func bucket(_ options: InMemoryStore.Options) -> TestBucket {
        let bucket = TestBucket(options)
        for (name, text) in Self.contents { bucket.store.insert(ObjectKey("old/" + name), Array(text.utf8)) }
        bucket.store.insert("old/", [])
        bucket.store.insert("old/empty/", [])
        bucket.store.insert("other", Array("other".utf8))
        return bucket
    }

    /// Renames `old` to `new` on a store that dies; what was under way then.
    private func crash(_ bucket: TestBucket, after requests: Int, _ moment: CrashingStore.Moment) async
        -> (died: Bool, left: [UnfinishedRename])
    {
        let store = CrashingStore(bucket.store, after: requests, moment, counting: { $0.operation.isMutation })
        let log = Log(store: store)
        let mount = bucket.mount(through: store) { options in
            options.renameLog = log
            options.parallelCopies = 2
        }
        try? await mount.rename("old", to: "new")
        return (store.hasCrashed, log.left)
    }

    /// All files are below one name, whole, and nothing else is there.
    private func expectWhole(_ bucket: TestBucket, _ comment: Comment) async throws -> String {
        let names = bucket.store.allKeys.filter { $0 != "other" && !$0.string.hasPrefix(".pail/") }
        let top = Set(names.map { $0.string.split(separator: "/")[0] })
        #expect(top.count == 1, "\(names); \(comment)")
        let name = String(top.first ?? "old")
        let mount = bucket.mount()
        for (path, text) in Self.contents { #expect(try await mount.text(name + "/" + path) == text, comment) }
        #expect(try await mount.stat(name + "/empty").type == .directory, comment)
        #expect(try await mount.list("").filter { $0 != "other" } == [name], comment)
        return name
    }

    @Test(arguments: ["s3", "seaweedfs"]) func whereverItIsCutOff(store kind: String) async throws {
        let options: InMemoryStore.Options = kind == "s3" ? .s3 : .seaweedFS
        var outcomes: Set<String> = []
        for moment in CrashingStore.Moment.allCases {
            var requests = 0
            while true {
                let bucket = bucket(options)
                let (died, left) = await crash(bucket, after: requests, moment)
                for rename in left {
                    // Cut off once more in its middle, and run again.
                    let dying = CrashingStore(bucket.store, after: 2, moment, counting: { $0.operation.isMutation })
                    _ = try? await RenameRecovery(store: dying, parallel: 2, logger: logger).finish(rename)
                    try await RenameRecovery(store: bucket.store, logger: logger).finish(rename)
                    // A row too many changes nothing.
                    #expect(try await RenameRecovery(store: bucket.store, logger: logger).finish(rename) >= 0)
                }
                outcomes.insert(try await expectWhole(bucket, "\(kind), \(moment), after \(requests) requests"))
                if !died { break }
                requests += 1
            }
            #expect(requests > 10)
        }
        #expect(outcomes == ["old", "new"])
    }

    /// What people have done since stays: changed copies, removed files, files of their own under either name.
    @Test(arguments: [false, true]) func whatWasChangedSinceStays(isDeleting: Bool) async throws {
        let bucket = bucket(.s3)
        let store = bucket.store
        for (name, text) in Self.contents { store.insert(ObjectKey("new/" + name), Array(text.utf8)) }
        store.insert("new/a", Array("changed".utf8))
        store.remove("old/b/c")
        store.insert("old/mine", [1])
        store.insert("new/yours", [2])
        try await RenameRecovery(store: store, logger: logger).finish(
            UnfinishedRename(from: "old/", to: "new/", isDeleting: isDeleting))
        let keys = Set(store.allKeys)
        for kept: ObjectKey in ["old/a", "new/a", "new/b/c", "old/mine", "new/yours"] { #expect(keys.contains(kept)) }
        let other: ObjectKey = isDeleting ? "new/b/d" : "old/b/d"
        let gone: ObjectKey = isDeleting ? "old/b/d" : "new/b/d"
        #expect(keys.contains(other) && !keys.contains(gone))
        #expect(bucket.text("new/a") == "changed")
    }

    /// Objects from multipart uploads have other ETags than their copies: there the headers tell.
    @Test func objectsUploadedInPartsAreKnownByTheirHeaders() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount { $0.partSize = 64 }
        try await mount.mkdir("old")
        let text = String(repeating: "0123456789", count: 50)
        try await mount.put("old/big", text)
        let key: ObjectKey = "new/big"
        _ = try await bucket.store.copy(CopyRequest(source: "old/big", destination: key))
        let (one, two) = (try await bucket.store.head("old/big"), try await bucket.store.head(key))
        #expect(one.etag != two.etag)
        let rename = UnfinishedRename(from: "old/", to: "new/", isDeleting: true)
        try await RenameRecovery(store: bucket.store, logger: logger).finish(rename)
        #expect(bucket.text(key) == text)
        #expect(bucket.text("old/big") == nil)
        // Another file of that size is another file.
        bucket.clock.advance(seconds: 5)
        try await mount.mkdir("old")
        try await mount.put("old/big", String(text.reversed()))
        try await RenameRecovery(store: bucket.store, logger: logger).finish(rename)
        #expect(bucket.text("old/big") != nil && bucket.text(key) == text)
    }
}
