import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// What programs see when requests fail, and that nothing is lost by it.
@Suite(.timeLimit(.minutes(15))) struct FailureTests {
    // MARK: Only 404 means "not there"

    @Test(arguments: [
        (StoreError.Kind.serverError, StoreOperation.head), (.timedOut, .head), (.accessDenied, .head),
        (.throttled, .head),
        (.serverError, .list), (.timedOut, .list), (.unreachable, .list), (.badResponse, .list),
    ]) func aFailedLookupIsNotAMissingName(kind: StoreError.Kind, operation: StoreOperation) async throws {
        let bucket = TestBucket()
        // What the failing request would have told of: a file, or a directory.
        let key: ObjectKey = operation == .head ? "a" : "a/f"
        bucket.store.insert(key, [1])
        let faulty = FaultyStore(bucket.store, [.init(.before(kind), on: operation, times: 100)])
        let mount = bucket.mount(through: faulty)
        do throws(Errno) {
            _ = try await mount.stat("a")
            Issue.record("no error")
        } catch {
            #expect(error != .noSuchFileOrDirectory)
        }
        // Nor is the name taken for free.
        await #expect(throws: Errno.self) { try await mount.put("a", "x") }
        faulty.isEnabled = false
        #expect(try await mount.stat("a").type == (operation == .head ? .regular : .directory))
        #expect(bucket.store.allKeys == [key] && bucket.store.content(of: key) == [1])
    }

    @Test func aFailedMarkerIsNotAnImpliedDirectory() async throws {
        let bucket = TestBucket()
        let first = bucket.mount()
        try await first.mkdir("d", 0o700)
        try await first.put("d/f", "x")
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .head, key: "d/", times: 1)])
        let mount = bucket.mount(through: faulty)
        await #expect(throws: Errno.ioError) { try await mount.stat("d") }
        #expect(try await mount.stat("d").permissions == 0o700)
    }

    @Test(arguments: [0, 1, 2]) func aFailedPageIsAnError(page: Int) async throws {
        let bucket = TestBucket()
        let names = (0..<2500).map { String(10_000 + $0) }
        for name in names { bucket.store.insert(ObjectKey(name)) }
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .list, skipping: page, times: 100)])
        let mount = bucket.mount(through: faulty)
        await #expect(throws: Errno.ioError) { try await mount.list("") }
        faulty.isEnabled = false
        #expect(try await mount.list("") == names)
    }

    @Test func aFailedCheckKeepsTheDirectory() async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(bucket.store, [])
        let mount = bucket.mount(through: faulty)
        try await mount.mkdir("d")
        bucket.store.insert("d/theirs", [1])
        faulty.use(ScriptedFaults([.init(.before(.serverError), on: .list)]))
        await #expect(throws: Errno.ioError) { try await mount.rmdir("d") }
        #expect(bucket.store.allKeys == ["d/", "d/theirs"])
    }

    // MARK: Writing

    @Test func aFailedPutIsToldAndStoredWithTheNextClose() async throws {
        let bucket = TestBucket()
        // The close's attempt and the release's.
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .put, times: 2)])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("a", [.writeOnly, .create])
        try await mount.write(handle, "hello")
        await #expect(throws: Errno.ioError) { try await mount.close(handle) }
        #expect(bucket.store.objectCount == 0)
        // The mount still has it, whole.
        #expect(try await mount.text("a") == "hello")
        #expect(try await mount.list("") == ["a"])
        let again = try await mount.open("a", [.readWrite])
        try await mount.close(again)
        #expect(bucket.text("a") == "hello")
    }

    @Test func aFailedPutIsStoredByTheDrain() async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .put, times: 3)])
        let mount = bucket.mount(through: faulty)
        await #expect(throws: Errno.ioError) { try await mount.put("a", "hello") }
        #expect(await mount.fileSystem.drain() == 1)
        #expect(await mount.fileSystem.drain() == 0)
        #expect(bucket.text("a") == "hello")
        await #expect(throws: Errno(rawValue: 108)) { try await mount.put("b", "x") }
    }

    /// The rest of a changed file comes from the stored version, after the failure as before.
    @Test func aFailedPartialOverwriteKeepsBothHalves() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("0123456789".utf8))
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .put, times: 2)])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("a", [.readWrite])
        try await mount.write(handle, "ab", at: 4)
        await #expect(throws: Errno.ioError) { try await mount.close(handle) }
        #expect(bucket.text("a") == "0123456789")
        #expect(try await mount.text("a") == "0123ab6789")
        #expect(await mount.fileSystem.drain() == 0)
        #expect(bucket.text("a") == "0123ab6789")
    }

    @Test func aFailedChangeOfAttributesReverts() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .copy)])
        let mount = bucket.mount(through: faulty)
        let held = try await mount.lookup("a", in: .root)
        #expect(held.attributes.permissions == 0o644)
        await #expect(throws: Errno.ioError) { try await mount.chmod("a", 0o600) }
        #expect(try await mount.stat("a").permissions == 0o644)
        try await mount.chmod("a", 0o640)
        #expect(try await mount.stat("a").permissions == 0o640)
        #expect(try await bucket.mount().stat("a").permissions == 0o640)
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// A change that waits for its storing is not forgotten because a later one fails.
    @Test func aFailedChangeOfAttributesKeepsTheOneBefore() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        // The close's attempt, the release's, and that of the second change.
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .copy, times: 3)])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("a", [.readWrite])
        try await mount.chmod("a", 0o600)
        await #expect(throws: Errno.ioError) { try await mount.close(handle) }
        await #expect(throws: Errno.ioError) { try await mount.chmod("a", 0o640) }
        #expect(try await mount.stat("a").permissions == 0o600)
        #expect(await mount.fileSystem.drain() == 0)
        #expect(try await bucket.mount().stat("a").permissions == 0o600)
    }

    /// Two changes at once, of which the first fails: the second is stored, and not taken back with it.
    @Test func aFailedChangeOfAttributesKeepsTheOneBehind() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .copy)])
        let mount = bucket.mount(through: faulty)
        let held = try await mount.lookup("a", in: .root)
        let inode = try mount.fileSystem.inode(held.node)
        try await inode.gate.lock()
        let first = Task { try await mount.chmod("a", 0o600) }
        try await waitUntil { inode.gate.waiterCount == 1 }
        let second = Task { try await mount.chmod("a", 0o640) }
        try await waitUntil { inode.gate.waiterCount == 2 }
        inode.gate.unlock()
        await #expect(throws: Errno.ioError) { try await first.value }
        try await second.value
        #expect(try await mount.stat("a").permissions == 0o640)
        #expect(try await bucket.mount().stat("a").permissions == 0o640)
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    // MARK: Answers that come twice

    /// The request took effect, the answer was lost, and its repetition meets what the first one made.
    @Test func aLockFileMadeTwiceIsOwn() async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(bucket.store, [.init(.duplicated, on: .put, key: "lock")])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("lock", [.writeOnly, .create, .exclusive])
        try await mount.write(handle, "mine")
        try await mount.close(handle)
        #expect(bucket.text("lock") == "mine")
    }

    /// The same for what is whole from its start; `after` is an answer that never came, not even to a repetition.
    @Test(arguments: [Fault.duplicated, .after(.timedOut)], [false, true])
    func aNodeMadeTwiceIsOwn(fault: Fault, keepsMarkers: Bool) async throws {
        let bucket = TestBucket(keepsMarkers ? .s3 : .seaweedFS)
        let faulty = FaultyStore(bucket.store, [])
        let mount = bucket.mount(through: faulty)
        // The form of this store's markers is found out with the first one.
        try await mount.mkdir("first")
        faulty.use(ScriptedFaults(["d/", "l", "p"].map { .init(fault, on: .put, key: $0) }))
        try await mount.mkdir("d", 0o711)
        let fileSystem = mount.fileSystem
        for (name, type) in [("l", FileSystem.FileType.symbolicLink), ("p", FileSystem.FileType.fifo)] {
            let entry =
                if type == .symbolicLink {
                    try await fileSystem.makeSymbolicLink(
                        FileName(name)!, in: .root, target: Array("goal".utf8), by: mount.caller)
                } else {
                    try await fileSystem.makeNode(
                        FileName(name)!, in: .root, type: type, permissions: 0o600, device: 0, by: mount.caller)
                }
            #expect(entry.attributes.type == type)
            fileSystem.forget(entry.node, lookups: 1)
        }
        #expect(faulty.injected.count == 3)
        let other = bucket.mount()
        #expect(try await other.stat("d").permissions == 0o711)
        #expect(try await other.stat("l").type == .symbolicLink)
        #expect(try await other.stat("p").type == .fifo)
    }

    /// The answer was lost, but it is another's that stands there.
    @Test func anothersNodeIsNotOwn() async throws {
        let bucket = TestBucket()
        let other = bucket.mount()
        let faulty = FaultyStore(bucket.store, [.init(.duplicated, on: .put, key: "e/")])
        let mount = bucket.mount(through: faulty)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("e") }
        try await other.mkdir("e", 0o711)
        await #expect(throws: Errno.fileExists) { try await mount.mkdir("e", 0o700) }
        #expect(faulty.injected.count == 1)
    }

    // MARK: Renames and removals

    @Test func aFailedRenameLeavesTheFile() async throws {
        let bucket = TestBucket()
        for (operation, key) in [(StoreOperation.copy, ObjectKey("b")), (.delete, "a")] {
            bucket.store.removeAll()
            let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: operation, key: key)])
            let mount = bucket.mount(through: faulty)
            try await mount.put("a", "hello")
            await #expect(throws: Errno.ioError) { try await mount.rename("a", to: "b") }
            #expect(bucket.text("a") == "hello")
            #expect(try await mount.text("a") == "hello")
        }
    }

    @Test(arguments: [0, 3, 7]) func aFailedCopyLeavesADirectoryWhole(failing: Int) async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(bucket.store, [])
        let mount = bucket.mount(through: faulty)
        try await mount.mkdir("d", 0o700)
        for index in 0..<8 { try await mount.put("d/\(index)", "\(index)") }
        let before = bucket.store.allKeys
        faulty.use(ScriptedFaults([.init(.before(.serverError), on: .copy, skipping: failing)]))
        await #expect(throws: Errno.ioError) { try await mount.rename("d", to: "e") }
        #expect(bucket.store.allKeys == before)
        for index in 0..<8 { #expect(try await mount.text("d/\(index)") == "\(index)") }
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("e") }
        // And what comes after it is as if nothing had been.
        try await mount.mkdir("e", 0o711)
        try await mount.put("d/8", "8")
        for index in 0...8 { try await mount.unlink("d/\(index)") }
        try await mount.rmdir("d")
        #expect(bucket.store.allKeys == ["e/"])
        #expect(try await bucket.mount().stat("e").permissions == 0o711)
    }

    /// The empty directory that the rename was to replace stays, with its attributes.
    @Test func aFailedRenameLeavesTheDirectoryAtItsGoal() async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(bucket.store, [])
        let mount = bucket.mount(through: faulty)
        try await mount.mkdir("d", 0o755)
        try await mount.put("d/f", "x")
        try await mount.mkdir("e", 0o711)
        faulty.use(ScriptedFaults([.init(.before(.serverError), on: .copy)]))
        await #expect(throws: Errno.ioError) { try await mount.rename("d", to: "e") }
        #expect(bucket.store.allKeys == ["d/", "d/f", "e/"])
        #expect(try await bucket.mount().stat("e").permissions == 0o711)
    }

    /// A removal fails, and is tried again after the mount has asked for the file once more: its reader reads on.
    @Test func anUnlinkThatFailedFirstKeepsTheReader() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("hello".utf8))
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .delete, key: "a")])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("a")
        await #expect(throws: Errno.ioError) { try await mount.unlink("a") }
        #expect(bucket.text("a") == "hello")
        bucket.clock.advance(seconds: 10)
        #expect(try await mount.stat("a").size == 5)
        try await mount.unlink("a")
        #expect(try await mount.read(handle) == "hello")
        try await mount.close(handle)
        #expect(bucket.store.objectCount == 0)
    }

    @Test func anUnlinkThatFailedLeavesNothingBehind() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("hello".utf8))
        let faulty = FaultyStore(bucket.store, [.init(.before(.serverError), on: .delete, key: "a")])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("a")
        await #expect(throws: Errno.ioError) { try await mount.unlink("a") }
        #expect(try await mount.read(handle) == "hello")
        try await mount.close(handle)
        #expect(bucket.store.allKeys == ["a"])
        #expect(try await mount.text("a") == "hello")
    }
}
