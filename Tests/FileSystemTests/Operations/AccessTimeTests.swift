import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Access times move as relatime has it, and cost nothing.
@Suite(.timeLimit(.minutes(15))) struct AccessTimeTests {
    private func read(_ mount: TestMount, _ path: String, _ flags: OpenFlags = []) async throws {
        let handle = try await mount.open(path, flags)
        _ = try await mount.read(handle)
        await mount.release(handle)
    }

    @Test func theRule() {
        let early = Timestamp(seconds: 100)
        let late = Timestamp(seconds: 200, nanoseconds: 5)
        #expect(AccessTimeRule.isBehind(access: early, modification: late, change: early))
        #expect(AccessTimeRule.isBehind(access: early, modification: Timestamp(seconds: 1), change: late))
        #expect(AccessTimeRule.isBehind(access: late, modification: late, change: early))
        #expect(!AccessTimeRule.isBehind(access: late, modification: early, change: Timestamp(seconds: 200)))
        #expect(AccessTimeRule.isOld(access: early, now: Timestamp(seconds: 100 + 86_400)))
        #expect(!AccessTimeRule.isOld(access: early, now: Timestamp(seconds: 99 + 86_400)))
    }

    @Test func aReadMovesItOnceAndCostsNothing() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount { $0.attributeTimeout = 1e6 }
        try await mount.put("a", "text")
        let held = try await mount.lookup("a", in: .root)
        let made = try await mount.stat("a")
        bucket.clock.advance(seconds: 10)
        bucket.store.log.reset()
        try await read(mount, "a")
        let first = try await mount.stat("a")
        #expect(first.accessTime == bucket.clock.now && first.modificationTime == made.modificationTime)
        #expect(first.changeTime == made.changeTime)
        bucket.clock.advance(seconds: 10)
        try await read(mount, "a")
        #expect(try await mount.stat("a") == first)
        // A day later it is old.
        bucket.clock.advance(seconds: 86_400)
        try await read(mount, "a")
        #expect(try await mount.stat("a").accessTime == bucket.clock.now)
        #expect(bucket.requests() == ["GetObject": 3])
        bucket.store.log.reset()
        #expect(await mount.fileSystem.drain() == 0)
        #expect(bucket.requests() == [:])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// Writes through the same handle set it back behind the modification.
    @Test func aReadAfterAWriteMovesItAgain() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite, .create])
        for _ in 0..<3 {
            bucket.clock.advance(seconds: 1)
            try await mount.write(handle, "text")
            bucket.clock.advance(seconds: 1)
            _ = try await mount.read(handle)
            #expect(try await mount.stat("a").accessTime == bucket.clock.now)
        }
        try await mount.close(handle)
        // It went along with the upload.
        #expect(bucket.store.info(of: "a")?.metadata.user["atime"] == StoredTime.text(bucket.clock.now))
    }

    @Test func itIsStoredWithTheNextChange() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "text")
        try await mount.mkdir("d")
        let held = [try await mount.lookup("a", in: .root), try await mount.lookup("d", in: .root)]
        bucket.clock.advance(seconds: 10)
        try await read(mount, "a")
        _ = try await mount.list("d")
        let accessed = bucket.clock.now
        bucket.clock.advance(seconds: 10)
        // Confirmed by the store meanwhile, which knows nothing of it.
        #expect(try await mount.stat("a").accessTime == accessed)
        #expect(try await mount.stat("d").accessTime == accessed)
        bucket.store.log.reset()
        try await mount.chmod("a", 0o600)
        try await mount.chmod("d", 0o700)
        #expect(bucket.requests() == ["CopyObject": 1, "PutObject": 1])
        let other = bucket.mount()
        #expect(try await other.stat("a").accessTime == accessed)
        #expect(try await other.stat("d").accessTime == accessed)
        for entry in held { mount.fileSystem.forget(entry.node, lookups: 1) }
    }

    @Test func whoMovesNone() async throws {
        let bucket = TestBucket()
        let writer = bucket.mount()
        try await writer.put("a", "text")
        try await writer.mkdir("d")
        let before = [try await writer.stat("a").accessTime, try await writer.stat("d").accessTime]
        bucket.clock.advance(seconds: 10)
        for policy in [AccessTimePolicy.never, .relativeOfFiles, .relative] {
            let mount = bucket.mount {
                $0.accessTimes = policy
                $0.isReadOnly = policy == .relative
            }
            try await read(mount, "a", .keepsAccessTime)
            #expect(try await mount.stat("a").accessTime == before[0])
            let held = [try await mount.lookup("a", in: .root), try await mount.lookup("d", in: .root)]
            if policy != .relativeOfFiles { try await read(mount, "a") }
            _ = try await mount.list("d")
            #expect(try await mount.stat("a").accessTime == before[0])
            #expect(try await mount.stat("d").accessTime == before[1])
            for entry in held { mount.fileSystem.forget(entry.node, lookups: 1) }
        }
    }

    /// A time that a program sets counts, and so does what another host stores.
    @Test func aTimeThatIsSetCounts() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "text")
        let held = try await mount.lookup("a", in: .root)
        bucket.clock.advance(seconds: 10)
        try await read(mount, "a")
        var changes = AttributeChanges()
        changes.accessTime = .at(Timestamp(seconds: 5, nanoseconds: 7))
        _ = try await mount.fileSystem.setAttributes(of: held.node, handle: nil, to: changes, by: mount.caller)
        #expect(try await mount.stat("a").accessTime == Timestamp(seconds: 5, nanoseconds: 7))
        #expect(bucket.store.info(of: "a")?.metadata.user["atime"] == "5.000000007")
        bucket.clock.advance(seconds: 10)
        try await read(mount, "a")
        #expect(try await mount.stat("a").accessTime == bucket.clock.now)
        try await bucket.mount().chmod("a", 0o600)
        bucket.clock.advance(seconds: 10)
        #expect(try await mount.stat("a").accessTime == Timestamp(seconds: 5, nanoseconds: 7))
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// What the kernel has in its pages it hands out without asking: then the open counts.
    @Test func anOpenThatLeavesTheKernelItsPages() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount { $0.attributeTimeout = 1e6 }
        try await mount.put("a", "text")
        let held = try await mount.lookup("a", in: .root)
        bucket.clock.advance(seconds: 10)
        await mount.release(try await mount.open("a", .writeOnly))
        #expect(try await mount.stat("a").accessTime < bucket.clock.now)
        await mount.release(try await mount.open("a"))
        #expect(try await mount.stat("a").accessTime == bucket.clock.now)
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func aLinkThatIsFollowed() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let link = try await mount.fileSystem.makeSymbolicLink(
            FileName("l")!, in: .root, target: Array("x".utf8), by: mount.caller)
        bucket.clock.advance(seconds: 10)
        _ = try await mount.fileSystem.readSymbolicLink(link.node)
        #expect(try await mount.stat("l").accessTime == bucket.clock.now)
        mount.fileSystem.forget(link.node, lookups: 1)
    }
}
