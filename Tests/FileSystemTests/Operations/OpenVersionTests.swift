import ObjectStore
import ObjectStoreTesting
import Synchronization
import SystemPackage
import Testing

@testable import FileSystem

/// A kernel that counts what it is told at once.
private final class CountingKernel: KernelNotifier {
    private let expired = Mutex<[NodeID]>([])
    /// What was told since the last look.
    var news: [NodeID] {
        expired.withLock { list in
            defer { list = [] }; return list
        }
    }
    func invalidateInode(_ node: NodeID, offset: Int64, length: Int64) {}
    func invalidateEntry(parent: NodeID, name: FileName) {}
    func expireAttributes(of node: NodeID) { expired.withLock { $0.append(node) } }
}

/// A handle that has read from a version keeps to it, and asks nobody where the file ends.
@Suite(.timeLimit(.minutes(15))) struct OpenVersionTests {
    @Test func aReadToTheEndNeedsNoStore() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "text")
        let held = try await mount.lookup("a", in: .root)
        let handle = try await mount.open("a")
        #expect(try await mount.read(handle) == "text")
        bucket.clock.advance(seconds: 60)
        bucket.store.log.reset()
        func ask(_ handle: HandleID?) -> (FileAttributes, lifetime: Double)? {
            try? mount.fileSystem.attributesNow(of: held.node, handle: handle)?.get()
        }
        let answer = try #require(ask(handle))
        #expect(answer.0.size == 4)
        // Good for this read alone: a stat(2) asks the store.
        #expect(answer.lifetime == 0)
        #expect(ask(nil) == nil)
        #expect(try await mount.read(handle) == "text")
        #expect(bucket.requests() == [:])
        // Nor does another's version change where this one ends.
        _ = try await bucket.store.put(
            "a", body: ArrayBody(Array("longer".utf8)), metadata: ObjectMetadata(), if: .none)
        #expect(try #require(ask(handle)).0.size == 4)
        try await mount.close(handle)
        // Closed, and opened anew: nothing has been read through this one.
        bucket.clock.advance(seconds: 60)
        let next = try await mount.open("a")
        bucket.clock.advance(seconds: 60)
        #expect(try await mount.text("a") == "longer")
        try await mount.close(next)
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func aHandleThatHasReadNothingAsks() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        _ = try await bucket.store.put("a", body: ArrayBody(Array("text".utf8)), metadata: ObjectMetadata(), if: .none)
        let held = try await mount.lookup("a", in: .root)
        let handle = try await mount.open("a")
        bucket.clock.advance(seconds: 60)
        #expect(mount.fileSystem.attributesNow(of: held.node, handle: handle) == nil)
        _ = try await bucket.store.put(
            "a", body: ArrayBody(Array("longer".utf8)), metadata: ObjectMetadata(), if: .none)
        #expect(try await mount.fileSystem.attributes(of: held.node, handle: handle).0.size == 6)
        #expect(try await mount.read(handle) == "longer")
        try await mount.close(handle)
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// Stores another content as another host would, and lets what is known here grow old.
    private func replace(_ bucket: TestBucket, with text: String) async throws {
        _ = try await bucket.store.put("a", body: ArrayBody(Array(text.utf8)), metadata: ObjectMetadata(), if: .none)
        bucket.clock.advance(seconds: 60)
    }

    @Test func anOpenOfAnotherVersionHasTheKernelAskForItsSize() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let kernel = CountingKernel()
        mount.fileSystem.start(notifier: kernel)
        try await replace(bucket, with: "text")
        let node = try await mount.lookup("a", in: .root).node
        func openAndClose() async throws {
            let handle = try await mount.fileSystem.open(node, flags: [], by: Caller(uid: 0, gid: 0, pid: 1)).handle
            try await mount.close(handle)
        }
        try await openAndClose()
        #expect(kernel.news == [])
        for text in ["longer than before", "short"] {
            try await replace(bucket, with: text)
            try await openAndClose()
            #expect(kernel.news == [node])
            try await openAndClose()
            #expect(kernel.news == [])
        }
        mount.fileSystem.forget(node, lookups: 1)
    }

    @Test func aFirstReadOfAnotherVersionTellsOfMoreButNotOfLess() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let kernel = CountingKernel()
        mount.fileSystem.start(notifier: kernel)
        try await replace(bucket, with: "text")
        let node = try await mount.lookup("a", in: .root).node
        var handle = try await mount.open("a")
        try await replace(bucket, with: "longer")
        // The version that was opened is gone, nothing of it was handed out.
        #expect(try await mount.read(handle) == "longer")
        #expect(kernel.news == [node])
        try await mount.close(handle)

        bucket.clock.advance(seconds: 60)
        handle = try await mount.open("a")
        try await replace(bucket, with: "less")
        let other = try await mount.open("a")
        // A read that is under way takes the size from its short answer, unless the kernel is told meanwhile.
        #expect(try await mount.read(handle) == "less")
        #expect(kernel.news == [])
        try await mount.close(handle)
        try await mount.close(other)
        // Nobody reads: the next open tells it.
        handle = try await mount.open("a")
        #expect(kernel.news == [node])
        try await mount.close(handle)
        mount.fileSystem.forget(node, lookups: 1)
    }
}
