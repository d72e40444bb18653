import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// What the verbs cost: the promises of their comments, counted.
@Suite(.timeLimit(.minutes(15))) struct RequestCountTests {
    @Test func aNewSmallFileIsOnePut() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "hello")
        #expect(bucket.requests() == ["HeadObject": 1, "ListObjectsV2": 1, "PutObject": 1])
        #expect(bucket.text("a") == "hello")
        #expect(bucket.store.info(of: "a")?.metadata.user["mode"] == "33188")
        // The listing told of all that is not there: the next ones need no question.
        bucket.store.log.reset()
        for index in 0..<10 { try await mount.put("b\(index)", "x") }
        #expect(bucket.requests() == ["PutObject": 10])
    }

    @Test func filesInANewDirectoryAreOnePutEach() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        // The kernel holds on to the directory.
        let name = try #require(FileName("d"))
        _ = try await mount.fileSystem.makeDirectory(name, in: .root, permissions: 0o755, by: mount.caller)
        bucket.store.log.reset()
        for index in 0..<5 { try await mount.put("d/\(index)", "x") }
        #expect(bucket.requests() == ["PutObject": 5])
        bucket.store.log.reset()
        #expect(try await mount.list("d").sorted() == ["0", "1", "2", "3", "4"])
        #expect(bucket.requests() == [:])
    }

    @Test func aSecondStatWithinTheTimeoutIsFree() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("hello".utf8))
        let mount = bucket.mount()
        #expect(try await mount.stat("a").size == 5)
        // The kernel holds on to the inode.
        let held = try await mount.lookup("a", in: .root)
        bucket.store.log.reset()
        #expect(try await mount.stat("a").size == 5)
        #expect(bucket.requests() == [:])
        bucket.clock.advance(seconds: 5)
        #expect(try await mount.stat("a").size == 5)
        #expect(bucket.requests() == ["HeadObject": 1])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func aSecondStatOfANameThatIsNotThereIsFree() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        for _ in 0..<2 {
            await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("nobody") }
        }
        #expect(bucket.requests() == ["HeadObject": 1, "ListObjectsV2": 1])
    }

    @Test func statOfAListedFileIsOneHead() async throws {
        let bucket = TestBucket()
        for name in ["a", "b", "c/d"] { bucket.store.insert(ObjectKey(name), [1]) }
        let mount = bucket.mount()
        #expect(try await mount.list("") == ["a", "b", "c"])
        bucket.store.log.reset()
        #expect(try await mount.stat("b").size == 1)
        #expect(bucket.requests() == ["HeadObject": 1])
        // A directory without a marker likewise.
        #expect(try await mount.stat("c").type == .directory)
        #expect(bucket.requests() == ["HeadObject": 2])
    }

    @Test func aLongListingAsksForAttributesWide() async throws {
        let bucket = TestBucket()
        let names = (100..<400).map { "f\($0)" }
        for name in names { bucket.store.insert(ObjectKey(name), [1]) }
        let slow = SlowStore(bucket.store, latency: .milliseconds(20))
        let mount = bucket.mount(through: slow)
        #expect(try await mount.list("") == names)
        for name in names { #expect(try await mount.stat(name).size == 1) }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "HeadObject": 300])
        #expect(slow.mostUnderWay >= AttributeWalk.firstWindow)
    }

    /// `ls -l` of a directory so long that the listing is past the attribute timeout before the last entry is asked for.
    @Test func anOldListingStillSavesTheListOfEachName() async throws {
        let bucket = TestBucket()
        let names = (100..<400).map { "f\($0)" }
        for name in names { bucket.store.insert(ObjectKey(name), [1]) }
        let mount = bucket.mount()
        #expect(try await mount.list("") == names)
        bucket.clock.advance(seconds: 5)
        for name in names { #expect(try await mount.stat(name).size == 1) }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "HeadObject": 300])
    }

    @Test func readingAKnownSmallFileIsOneGet() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("hello".utf8))
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        bucket.store.log.reset()
        #expect(try await mount.text("a") == "hello")
        #expect(bucket.requests() == ["GetObject": 1])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func anEmptyFileIsReadWithoutARequest() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a")
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        bucket.store.log.reset()
        #expect(try await mount.text("a") == "")
        #expect(bucket.requests() == [:])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func renamingANeverStoredFileIsFree() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("temporary", [.writeOnly, .create])
        try await mount.write(handle, "hello")
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("final") }
        bucket.store.log.reset()
        try await mount.rename("temporary", to: "final")
        #expect(bucket.requests() == [:])
        try await mount.close(handle)
        #expect(bucket.requests() == ["PutObject": 1])
        #expect(bucket.store.allKeys == ["final"])
        #expect(try await mount.text("final") == "hello")
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("temporary") }
    }

    @Test func renamingAStoredFileIsACopyAndADelete() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "hello")
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("b") }
        let held = try await mount.lookup("a", in: .root)
        bucket.store.log.reset()
        try await mount.rename("a", to: "b")
        #expect(bucket.requests() == ["CopyObject": 1, "DeleteObject": 1])
        #expect(bucket.store.allKeys == ["b"] && bucket.text("b") == "hello")
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func attributesOfAnOpenFileRideAlong() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.writeOnly, .create])
        try await mount.write(handle, "hello")
        bucket.store.log.reset()
        try await mount.chmod("a", 0o600)
        #expect(try await mount.stat("a").permissions == 0o600)
        try await mount.close(handle)
        #expect(bucket.requests() == ["PutObject": 1])
        #expect(bucket.store.info(of: "a")?.metadata.user["mode"] == "33152")
        #expect(try await bucket.mount().stat("a").permissions == 0o600)
    }

    @Test func changingAttributesIsOneCopy() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1, 2, 3])
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        bucket.store.log.reset()
        try await mount.chmod("a", 0o640)
        #expect(bucket.requests() == ["CopyObject": 1])
        #expect(bucket.store.content(of: "a") == [1, 2, 3])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func anUnchangedFileIsNotStored() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite])
        bucket.store.log.reset()
        try await mount.close(handle)
        #expect(bucket.requests() == [:])
    }

    @Test func aDirectoryOfThousandsIsAListingAThousand() async throws {
        let bucket = TestBucket()
        for index in 0..<2500 { bucket.store.insert(ObjectKey("d/\(10_000 + index)")) }
        let mount = bucket.mount()
        _ = try await mount.lookup("d", in: .root)
        bucket.store.log.reset()
        #expect(try await mount.list("d").count == 2500)
        #expect(bucket.store.log.count(.list) <= 3)
        #expect(bucket.store.log.count(.head) == 0)
    }
}
