import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// `--attributes=listing`: what is shown, what it costs, and that nothing is lost by it.
@Suite(.timeLimit(.minutes(5))) struct ListedAttributesTests {
    private func bucket(_ count: Int = 0) -> TestBucket {
        let bucket = TestBucket()
        for index in 0..<count { bucket.store.insert(ObjectKey("f\(1000 + index)"), Array("content \(index)".utf8)) }
        return bucket
    }

    private func mount(_ bucket: TestBucket, _ change: (inout FileSystemOptions) -> Void = { _ in }) -> TestMount {
        bucket.mount { options in
            options.attributes = .listing
            change(&options)
        }
    }

    private func put(_ bucket: TestBucket, _ key: ObjectKey, _ text: String, _ user: [String: String]) async throws {
        let metadata = ObjectMetadata(contentType: "text/x-own", user: user, cacheControl: "no-store")
        _ = try await bucket.store.put(key, body: ArrayBody(Array(text.utf8)), metadata: metadata, if: .none)
    }

    // MARK: Requests

    @Test func aDirectoryIsListsOnly() async throws {
        let bucket = bucket(200)
        let mount = mount(bucket)
        #expect(try await mount.list("").count == 200)
        for index in 0..<200 { #expect(try await mount.stat("f\(1000 + index)").permissions == 0o644) }
        #expect(bucket.requests() == ["ListObjectsV2": 1])
        // When it has grown old as well: one LIST tells of many.
        bucket.clock.advance(seconds: 5)
        bucket.store.log.reset()
        for index in 0..<200 {
            #expect(try await mount.stat("f\(1000 + index)").size == (index < 10 ? 9 : index < 100 ? 10 : 11))
        }
        #expect(bucket.requests().keys.sorted() == ["ListObjectsV2"])
        #expect(bucket.store.log.count(.list) <= 4)
    }

    @Test func readingIsOneGetUnderTheListedETag() async throws {
        let bucket = bucket(30)
        let mount = mount(bucket) { $0.readsFilesAhead = false }
        _ = try await mount.list("")
        for index in 0..<30 { #expect(try await mount.text("f\(1000 + index)") == "content \(index)") }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "GetObject": 30])
    }

    @Test func filesAreFetchedAheadWithoutHeads() async throws {
        let bucket = bucket(200)
        let mount = mount(bucket)
        _ = try await mount.list("")
        for index in 0..<200 { #expect(try await mount.text("f\(1000 + index)") == "content \(index)") }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "GetObject": 200])
        #expect(try await mount.stat("f1100").permissions == 0o644)
    }

    @Test func aNameWithoutAListingIsOneList() async throws {
        let bucket = bucket(3)
        bucket.store.insert("d/x", [1])
        let mount = mount(bucket)
        #expect(try await mount.stat("f1001").size == 9)
        #expect(bucket.requests() == ["ListObjectsV2": 1])
        bucket.store.log.reset()
        #expect(try await mount.stat("d/x").size == 1)
        #expect(try await mount.stat("d").type == .directory)
        #expect(bucket.store.log.count(.head) == 0)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("nobody") }
        #expect(bucket.store.log.count(.head) == 0)
    }

    // MARK: What is shown

    @Test func storedAttributesAreNotLookedAt() async throws {
        let bucket = bucket()
        try await put(bucket, "f", "text", ["mode": "33152", "uid": "7", "mtime": "5"])
        try await put(bucket, "link", "target", ["mode": "41471"])
        let mount = mount(bucket)
        let attributes = try await mount.stat("f")
        #expect(attributes.permissions == 0o644)
        #expect(attributes.modificationTime == bucket.store.info(of: "f")?.lastModified)
        #expect(try await mount.stat("link").type == .regular)
        #expect(try await mount.text("link") == "target")
        #expect(bucket.store.log.count(.head) == 0)
    }

    @Test func anEmptyObjectBesideKeysBelowItIsAskedFor() async throws {
        let bucket = bucket()
        let metadata = ObjectMetadata(contentType: "application/x-directory")
        _ = try await bucket.store.put("d", body: ArrayBody([]), metadata: metadata, if: .none)
        bucket.store.insert("d/x", [1])
        bucket.store.insert("e")
        for isListed in [false, true] {
            let mount = mount(bucket)
            if isListed { _ = try await mount.list("") }
            #expect(try await mount.stat("d").type == .directory)
            #expect(try await mount.stat("e").type == .regular)
            #expect(try await mount.stat("d/x").size == 1)
        }
    }

    @Test func changesElsewhereAreSeen() async throws {
        let bucket = bucket(3)
        let mount = mount(bucket)
        // The kernel holds on to it.
        let held = try await mount.lookup("f1001", in: .root)
        #expect(try await mount.text("f1001") == "content 1")
        bucket.clock.advance(seconds: 5)
        bucket.store.insert("f1001", Array("longer content".utf8))
        #expect(try await mount.stat("f1001").size == 14)
        #expect(try await mount.text("f1001") == "longer content")
        // Replaced behind the listing that was asked for: the first read finds it.
        bucket.store.insert("f1001", Array("newest".utf8))
        bucket.clock.advance(seconds: 5)
        #expect(try await mount.text("f1001") == "newest")
        try await bucket.store.delete("f1001", if: .none)
        bucket.clock.advance(seconds: 5)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("f1001") }
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    // MARK: What this mount sets

    @Test func whatThisMountSetsStaysRight() async throws {
        let bucket = bucket(3)
        let mount = mount(bucket)
        try await mount.chmod("f1001", 0o600)
        try await mount.put("new", "text")
        try await mount.chmod("new", 0o700)
        try await mount.mkdir("d", 0o711)
        for _ in 0..<3 {
            #expect(try await mount.stat("f1001").permissions == 0o600)
            #expect(try await mount.stat("new").permissions == 0o700)
            #expect(try await mount.stat("d").permissions == 0o711)
            // Nobody holds them: all is forgotten.
            bucket.clock.advance(seconds: 5)
            _ = try await mount.list("")
        }
        #expect(try await mount.stat("f1000").permissions == 0o644)
        // After a rename as well.
        try await mount.rename("f1001", to: "moved")
        try await mount.put("d/in", "x")
        try await mount.chmod("d/in", 0o640)
        try await mount.rename("d", to: "e")
        bucket.clock.advance(seconds: 5)
        #expect(try await mount.stat("moved").permissions == 0o600)
        #expect(try await mount.stat("e").permissions == 0o711)
        #expect(try await mount.stat("e/in").permissions == 0o640)
        // The next mount does not look at it; one that does shows it.
        #expect(try await self.mount(bucket).stat("moved").permissions == 0o644)
        #expect(try await bucket.mount().stat("moved").permissions == 0o600)
    }

    @Test func othersHeadersSurviveWhatThisMountChanges() async throws {
        let bucket = bucket()
        let user = [
            "mode": "33152", "uid": "7", "gid": "8", "own": "kept", "xattr": "%7B%22user.a%22%3A%22Yg%3D%3D%22%7D",
        ]
        let mount = mount(bucket)
        for key in ["chmod", "write", "append", "move", "cut"] { try await put(bucket, ObjectKey(key), "text", user) }
        _ = try await mount.list("")
        try await mount.chmod("chmod", 0o640)
        try await mount.put("write", "new")
        let handle = try await mount.open("append", [.writeOnly, .append])
        try await mount.write(handle, "more", at: 4)
        try await mount.close(handle)
        try await mount.rename("move", to: "moved.txt")
        var changes = AttributeChanges()
        changes.size = 2
        let cut = changes
        try await mount.at("cut") { node throws(Errno) in
            _ = try await mount.fileSystem.setAttributes(of: node, handle: nil, to: cut, by: mount.caller)
        }
        for (key, text, mode) in [
            ("chmod", "text", "33184"), ("write", "new", "33152"), ("append", "textmore", "33152"),
            ("moved.txt", "text", "33152"),
            ("cut", "te", "33152"),
        ] {
            let info = try #require(bucket.store.info(of: ObjectKey(key)))
            #expect(bucket.text(ObjectKey(key)) == text, "\(key)")
            #expect(info.metadata.user["mode"] == mode, "\(key)")
            for name in ["uid", "gid", "own", "xattr"] {
                #expect(info.metadata.user[name] == user[name], "\(key): \(name)")
            }
            #expect(info.metadata.cacheControl == "no-store", "\(key)")
            #expect(info.metadata.contentType == "text/x-own", "\(key)")
        }
    }

    @Test func aLinkThatIsToBeChangedIsFoundOut() async throws {
        let bucket = bucket()
        try await put(bucket, "link", "target", ["mode": "41471"])
        let mount = mount(bucket)
        _ = try await mount.list("")
        #expect(try await mount.stat("link").type == .regular)
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.open("link", [.writeOnly]) }
        // What the kernel does then.
        #expect(try await mount.stat("link").type == .symbolicLink)
        #expect(bucket.text("link") == "target")
    }

    @Test func aDirectoryStaysWhenItsLastEntryGoes() async throws {
        let bucket = bucket()
        bucket.store.insert("implied/x", [1])
        let mount = mount(bucket)
        _ = try await mount.list("implied")
        try await mount.unlink("implied/x")
        #expect(bucket.store.allKeys.contains("implied/"))
        bucket.clock.advance(seconds: 5)
        #expect(try await mount.stat("implied").type == .directory)
        try await mount.rmdir("implied")
        #expect(bucket.store.allKeys.isEmpty)
    }

    // MARK: The keys that were stored

    @Test func noStoredKeyIsMissed() {
        let keys = StoredKeys()
        for index in 0..<100_000 { keys.insert(ObjectKey("a/\(index)")) }
        var isWhole = true
        for index in 0..<100_000 where !keys.contains(ObjectKey("a/\(index)")) { isWhole = false }
        #expect(isWhole)
        let wrong = (0..<100_000).filter { keys.contains(ObjectKey("b/\($0)")) }.count
        #expect(wrong < 50)
    }
}
