import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Renames while others store under the old or the new name: nobody's content is lost.
@Suite(.timeLimit(.minutes(15))) struct RenameConflictTests {
    static let mine = Array("mine".utf8)
    static let theirs = Array("theirs".utf8)

    // MARK: The old name

    /// Somebody stores under the old name between the copy and the removal.
    @Test(arguments: [true, false]) func anothersVersionUnderTheOldNameStays(honoursConditions: Bool) async throws {
        let bucket = TestBucket(honoursConditions ? .s3 : .ignoringConditions)
        bucket.store.insert("a", Self.mine)
        let store = bucket.store
        let between = InterveningStore(store) { _ in
        } after: { request in
            if request.operation == .copy, request.key == "b" { store.insert("a", Self.theirs) }
        }
        let mount = bucket.mount(through: between)
        #expect(try await mount.list("") == ["a"])
        try await mount.rename("a", to: "b")
        #expect(bucket.text("a") == "theirs" && bucket.text("b") == "mine")
        // And the mount shows both at once.
        #expect(try await mount.list("") == ["a", "b"])
        #expect(try await mount.text("a") == "theirs")
        #expect(try await mount.text("b") == "mine")
    }

    /// The file's name is gone already when it is to be removed: what was wanted.
    @Test func aRemovalThatComesTwiceIsOne() async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(bucket.store, [.init(.duplicated, on: .delete, key: "a")])
        let mount = bucket.mount(through: faulty)
        try await mount.put("a", "mine")
        try await mount.rename("a", to: "b")
        #expect(bucket.store.allKeys == ["b"])
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("a") }
    }

    /// A directory's file is stored anew after it was copied: the new version is moved too.
    @Test(arguments: [true, false]) func anothersVersionBelowADirectoryIsNotLost(honoursConditions: Bool) async throws {
        let bucket = TestBucket(honoursConditions ? .s3 : .ignoringConditions)
        bucket.store.insert("d/f", Self.mine)
        bucket.store.insert("d/g", [1])
        let store = bucket.store
        let isDone = Shared(false)
        let between = InterveningStore(store) { _ in
        } after: { request in
            guard request.operation == .copy, request.key == "e/f", !isDone.value else { return }
            isDone.update { $0 = true }
            store.insert("d/f", Self.theirs)
        }
        try await bucket.mount(through: between).rename("d", to: "e")
        #expect(isDone.value)
        #expect(bucket.text("e/f") == "theirs" && store.allKeys == ["e/", "e/f", "e/g"])
    }

    /// Somebody keeps storing: what he stores last stays under the old name, and the mount shows it.
    @Test func whoKeepsStoringKeepsTheOldName() async throws {
        let bucket = TestBucket()
        bucket.store.insert("d/f", Self.mine)
        let store = bucket.store
        let count = Shared(0)
        let between = InterveningStore(store) { _ in
        } after: { request in
            guard request.operation == .copy, request.key == "e/f" else { return }
            store.insert("d/f", Array("theirs \(count.update { $0 += 1 })".utf8))
        }
        let mount = bucket.mount(through: between)
        #expect(try await mount.list("") == ["d"])
        try await mount.rename("d", to: "e")
        #expect(bucket.text("d/f") == "theirs \(count.value)" && bucket.text("e/f") == "theirs \(count.value - 1)")
        #expect(try await mount.list("") == ["d", "e"])
        #expect(try await mount.text("d/f") == "theirs \(count.value)")
    }

    // MARK: The new name

    /// Somebody stores below the new directory while the copies go there.
    @Test func aDirectoryRenameOverwritesNothing() async throws {
        let bucket = TestBucket()
        bucket.store.insert("d/f", Self.mine)
        bucket.store.insert("d/g", Self.mine)
        let store = bucket.store
        let between = InterveningStore(store) { request in
            if request.operation == .copy, request.key == "e/g" { store.insert("e/g", Self.theirs) }
        }
        let mount = bucket.mount(through: between)
        await #expect(throws: Errno.directoryNotEmpty) { try await mount.rename("d", to: "e") }
        #expect(bucket.text("e/g") == "theirs" && store.allKeys == ["d/f", "d/g", "e/g"])
        #expect(bucket.text("d/g") == "mine")
    }

    /// A copy was made, its answer lost for good: it is taken back with the others, and the next try finds nothing in its way.
    @Test func aCopyOfWhichNobodyKnowsIsTakenBack() async throws {
        let bucket = TestBucket()
        for key in ["d/f", "d/g", "d/h"] { bucket.store.insert(ObjectKey(key), Array(key.utf8)) }
        let faulty = FaultyStore(bucket.store, [.init(.after(.timedOut), on: .copy, key: "e/g")])
        let mount = bucket.mount(through: faulty)
        #expect(try await mount.list("") == ["d"])
        await #expect(throws: Errno.timedOut) { try await mount.rename("d", to: "e") }
        #expect(bucket.store.allKeys == ["d/f", "d/g", "d/h"])
        try await mount.rename("d", to: "e")
        #expect(bucket.store.allKeys == ["e/", "e/f", "e/g", "e/h"])
    }

    /// What is stored under both names during the rename stays under both, and what else has come is moved.
    @Test func whatStandsUnderBothNamesStays() async throws {
        let bucket = TestBucket()
        bucket.store.insert("d/f", Self.mine)
        let store = bucket.store
        let between = InterveningStore(store) { _ in
        } after: { request in
            guard request.operation == .copy, request.key == "e/f" else { return }
            store.insert("d/g", Self.mine)
            store.insert("d/h", Self.mine)
            store.insert("e/g", Self.theirs)
        }
        let mount = bucket.mount(through: between)
        try await mount.rename("d", to: "e")
        #expect(store.allKeys == ["d/g", "e/", "e/f", "e/g", "e/h"])
        #expect(bucket.text("d/g") == "mine" && bucket.text("e/g") == "theirs")
        #expect(try await mount.list("") == ["d", "e"])
    }

    /// The copy was made, its answer lost, and its repetition meets what the first one made.
    @Test(arguments: [false, true]) func aCopyMadeTwiceIsOwn(isFromParts: Bool) async throws {
        let bucket = TestBucket()
        let faulty = FaultyStore(
            bucket.store,
            [.init(.duplicated, on: .copy, key: "e/f"), .init(.duplicated, on: .copy, key: "b")])
        let mount = bucket.mount(through: faulty) { $0.partSize = 64 }
        let text = String(repeating: "0123456789", count: isFromParts ? 30 : 1)
        for path in ["a", "d/f"] {
            if path == "d/f" { try await mount.mkdir("d") }
            try await mount.put(path, text)
        }
        let isInParts = bucket.store.info(of: "a")?.etag?.value.utf8.contains(UInt8(ascii: "-"))
        #expect(isInParts == isFromParts)
        try await mount.rename("d", to: "e")
        try await mount.rename("a", to: "b", .noReplace)
        #expect(faulty.injected.count == 2)
        #expect(bucket.store.allKeys == ["b", "e/", "e/f"])
        #expect(bucket.text("e/f") == text && bucket.text("b") == text)
    }

    // MARK: The goal changes while the rename waits

    /// A file is made under the new name while the rename waits for its turn: it is the one that is replaced.
    @Test(arguments: [false, true]) func aGoalMadeWhileWaiting(mayReplace: Bool) async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Self.mine)
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        let inode = try mount.fileSystem.inode(held.node)
        try await inode.gate.lock()
        let rename = Task { try await mount.rename("a", to: "b", mayReplace ? [] : .noReplace) }
        try await waitUntil { inode.gate.waiterCount == 1 }
        let handle = try await mount.open("b", [.readWrite, .create])
        try await mount.write(handle, "other")
        inode.gate.unlock()
        if mayReplace {
            try await rename.value
        } else {
            await #expect(throws: Errno.fileExists) { try await rename.value }
        }
        #expect(try await mount.read(handle) == "other")
        try await mount.close(handle)
        #expect(await mount.fileSystem.drain() == 0)
        #expect(bucket.store.allKeys == (mayReplace ? ["b"] : ["a", "b"]))
        #expect(bucket.text("b") == (mayReplace ? "mine" : "other"))
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// The goal is another file than before: an open handle of that one reads on.
    @Test func aGoalReplacedWhileWaiting() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Self.mine)
        bucket.store.insert("b", Array("first".utf8))
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        let inode = try mount.fileSystem.inode(held.node)
        try await inode.gate.lock()
        let rename = Task { try await mount.rename("a", to: "b") }
        try await waitUntil { inode.gate.waiterCount == 1 }
        try await mount.unlink("b")
        try await mount.put("b", "second")
        let reader = try await mount.open("b")
        inode.gate.unlock()
        try await rename.value
        #expect(try await mount.read(reader) == "second")
        try await mount.close(reader)
        #expect(bucket.store.allKeys == ["b"] && bucket.text("b") == "mine")
        #expect(try await mount.text("b") == "mine")
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// A directory takes the new name while a file's rename waits.
    @Test func aDirectoryAtTheGoalWhileWaiting() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Self.mine)
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        let inode = try mount.fileSystem.inode(held.node)
        try await inode.gate.lock()
        let rename = Task { try await mount.rename("a", to: "b") }
        try await waitUntil { inode.gate.waiterCount == 1 }
        try await mount.mkdir("b")
        let directory = try await mount.lookup("b", in: .root)
        inode.gate.unlock()
        await #expect(throws: Errno.isDirectory) { try await rename.value }
        #expect(bucket.store.allKeys == ["a", "b/"])
        mount.fileSystem.forget(directory.node, lookups: 1)
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// The file at the goal is made while the copy is on its way.
    @Test func aGoalMadeDuringTheCopy() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Self.mine)
        let made = Shared<HandleID?>(nil)
        let mounts = Shared<TestMount?>(nil)
        let between = InterveningStore(bucket.store) { _ in
        } after: { request in
            guard request.operation == .copy, request.key == "b", made.value == nil, let mount = mounts.value else {
                return
            }
            let handle = try? await mount.open("b", [.readWrite, .create])
            made.update { $0 = handle }
            if let handle { try? await mount.write(handle, "other") }
        }
        let mount = bucket.mount(through: between)
        mounts.update { $0 = mount }
        defer { mounts.update { $0 = nil } }  // The store holds the steps, and the mount the store.
        #expect(try await mount.list("") == ["a"])
        try await mount.rename("a", to: "b")
        let handle = try #require(made.value)
        #expect(try await mount.read(handle) == "other")
        try await mount.close(handle)
        #expect(bucket.store.allKeys == ["b"] && bucket.text("b") == "mine")
        #expect(try await mount.text("b") == "mine")
    }

    /// The same with a directory, which may not replace a file.
    @Test func aFileAtADirectorysGoalDuringTheCopies() async throws {
        let bucket = TestBucket()
        bucket.store.insert("d/f", Self.mine)
        let made = Shared<HandleID?>(nil)
        let mounts = Shared<TestMount?>(nil)
        let between = InterveningStore(bucket.store) { _ in
        } after: { request in
            guard request.operation == .copy, request.key == "e/f", made.value == nil, let mount = mounts.value else {
                return
            }
            let handle = try? await mount.open("e", [.readWrite, .create])
            made.update { $0 = handle }
        }
        let mount = bucket.mount(through: between)
        mounts.update { $0 = mount }
        defer { mounts.update { $0 = nil } }  // The store holds the steps, and the mount the store.
        #expect(try await mount.list("") == ["d"])
        await #expect(throws: Errno.notDirectory) { try await mount.rename("d", to: "e") }
        let handle = try #require(made.value)
        try await mount.write(handle, "other")
        try await mount.close(handle)
        #expect(bucket.text("e") == "other" && bucket.text("d/f") == "mine")
        #expect(bucket.store.allKeys == ["d/f", "e"])
    }

    /// Somebody looks the new name up while the copies stand and the rename is not over: it is made once, not over again.
    @Test(arguments: [false, true]) func aLookupOfTheGoalDuringTheCopy(isDirectory: Bool) async throws {
        let bucket = TestBucket()
        bucket.store.insert(isDirectory ? "a/f" : "a", Self.mine)
        let mounts = Shared<TestMount?>(nil)
        let copies = Shared(0)
        let held = Shared<[NodeID]>([])
        let between = InterveningStore(bucket.store) { _ in
        } after: { request in
            guard request.operation == .copy, let mount = mounts.value else { return }
            copies.update { $0 += 1 }
            guard let node = try? await mount.fileSystem.find(FileName("b")!, in: .root).node else { return }
            held.update { $0.append(node) }
        }
        let mount = bucket.mount(through: between)
        mounts.update { $0 = mount }
        defer { mounts.update { $0 = nil } }  // The store holds the steps, and the mount the store.
        try await mount.rename("a", to: "b")
        #expect(copies.value == 1 && held.value.count == 1)
        #expect(bucket.store.allKeys == (isDirectory ? ["b/", "b/f"] : ["b"]))
        #expect(try await mount.text(isDirectory ? "b/f" : "b") == "mine")
        for node in held.value { mount.fileSystem.forget(node, lookups: 1) }
    }
}
