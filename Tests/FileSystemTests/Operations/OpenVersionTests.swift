import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

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
}
