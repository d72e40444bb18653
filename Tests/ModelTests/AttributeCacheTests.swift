import FileSystem
import Foundation
import Logging
import ObjectStore
import ObjectStoreTesting
import Recovery
import SystemPackage
import Testing

@testable import LocalState

/// Attributes kept on disk from mount to mount, on a bucket that others change: never stale, and worth their requests.
@Suite(.timeLimit(.minutes(10))) struct AttributeCacheTests {
    /// A bucket, the time, and a directory for the caches.
    private final class World {
        let clock = ManualStoreClock()
        let store: InMemoryStore
        let folder = NSTemporaryDirectory() + "pail-attributes-\(UInt64.random(in: .min ... .max))"

        init() {
            store = InMemoryStore(clock: clock)
            try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func cache() throws -> HeaderCache {
            try HeaderCache(in: folder, options: .init(limit: 1 << 20, minimumFree: 0))
        }

        /// A mount whose clocks are the store's.
        func mount(_ cache: HeaderCache?, through other: (any ObjectStore)? = nil) -> BucketFileSystem {
            var options = FileSystemOptions()
            let clock = clock
            options.clock = FileSystemClock(
                wall: { clock.now }, monotonic: { Moment(nanoseconds: clock.now.seconds * 1_000_000_000) })
            options.memoryLimit = 8 << 20
            options.attributeCache = cache
            let logger = Logger(label: "attributes", factory: { _ in SwiftLogNoOpLogHandler() })
            return BucketFileSystem(store: other ?? store, prefix: "", options: options, logger: logger)
        }

        func requests() -> [String: Int] {
            Dictionary(uniqueKeysWithValues: store.log.counts.map { ($0.key.rawValue, $0.value) })
        }

        /// As another host would: headers with a mode, under the content that is there.
        func chmod(_ key: ObjectKey, _ mode: Int) async throws {
            let etag = try await store.head(key).etag
            var metadata = ObjectMetadata()
            metadata.user["mode"] = "\(0o100000 | mode)"
            _ = try await store.copy(
                CopyRequest(source: key, sourceMatches: etag, destination: key, metadata: .replace(metadata)))
        }

        func put(_ key: ObjectKey, _ text: String, _ mode: Int) async throws {
            var metadata = ObjectMetadata()
            metadata.user["mode"] = "\(0o100000 | mode)"
            _ = try await store.put(key, body: ArrayBody(Array(text.utf8)), metadata: metadata, if: .none)
        }
    }

    /// `ls -l`: names, sizes and permissions of a directory, as the kernel asks for them.
    private func list(_ mount: BucketFileSystem, plus: Bool = true) async throws -> [String: (
        size: Int64, mode: UInt32
    )] {
        let caller = Caller(uid: 0, gid: 0, pid: 1)
        let handle = try await mount.openDirectory(.root)
        defer { mount.releaseDirectory(handle) }
        var shown: [String: (size: Int64, mode: UInt32)] = [:]
        var asked: [FileName] = []
        var cookie: UInt64 = 0
        while true {
            var count = 0
            let answer = mount.readDirectoryNow(handle, from: cookie, plus: plus) { item in
                guard count < 25 else { return false }
                count += 1
                cookie = item.next
                if let entry = item.entry {
                    shown[item.name] = (entry.attributes.size, entry.attributes.permissions)
                } else if let name = FileName(item.name) {
                    asked.append(name)
                }
                return true
            }
            if let answer {
                try answer.get()
                if count == 0 { break }
                for name in asked {
                    let entry: Entry
                    if let now = mount.lookupNow(name, in: .root, by: caller) {
                        entry = try now.get()
                    } else {
                        entry = try await mount.lookup(name, in: .root, by: caller)
                    }
                    shown[name.string] = (entry.attributes.size, entry.attributes.permissions)
                }
                asked = []
            } else {
                try await mount.prepareDirectory(handle, from: cookie)
            }
        }
        return shown
    }

    // MARK: Requests

    @Test(arguments: [true, false]) func aSecondMountNeedsListingsAlone(plus: Bool) async throws {
        let world = World()
        for index in 0..<1200 { try await world.put(ObjectKey("f\(1000 + index)"), "x", 0o600 + index % 8) }
        world.clock.advance(seconds: 10)
        for round in 0..<3 {
            let cache = try world.cache()
            world.store.log.reset()
            let shown = try await list(world.mount(cache), plus: plus)
            #expect(shown.count == 1200)
            for index in 0..<1200 { #expect(shown["f\(1000 + index)"]?.mode == UInt32(0o600 + index % 8)) }
            #expect(
                world.requests()
                    == (round == 0 ? ["ListObjectsV2": 2, "HeadObject": 1200] : ["ListObjectsV2": 2]))
            cache.close()
        }
    }

    @Test func withoutACacheEachMountAsksAnew() async throws {
        let world = World()
        for index in 0..<100 { try await world.put(ObjectKey("f\(100 + index)"), "x", 0o600) }
        world.clock.advance(seconds: 10)
        for _ in 0..<2 {
            world.store.log.reset()
            #expect(try await list(world.mount(nil)).count == 100)
            #expect(world.requests() == ["ListObjectsV2": 1, "HeadObject": 100])
        }
    }

    // MARK: Never stale

    @Test func aChangeWithinTheSecondOfTheLookIsSeen() async throws {
        let world = World()
        let cache = try world.cache()
        defer { cache.close() }
        for age in 0...3 {
            try await world.put("f", "content", 0o600)
            world.clock.advance(seconds: Int64(age))
            #expect(try await list(world.mount(cache))["f"]?.mode == 0o600)
            await cache.settle()
            // Within the second of the put, if the look was.
            try await world.chmod("f", 0o644)
            #expect(try await list(world.mount(cache))["f"]?.mode == 0o644, "looked \(age) s behind the put")
            world.clock.advance(seconds: 10)
        }
    }

    @Test func aChangeOfTheModeAloneIsSeen() async throws {
        let world = World()
        let cache = try world.cache()
        defer { cache.close() }
        try await world.put("f", "content", 0o600)
        world.clock.advance(seconds: 10)
        #expect(try await list(world.mount(cache))["f"]?.mode == 0o600)
        await cache.settle()
        let etag = try await world.store.head("f").etag
        try await world.chmod("f", 0o644)
        #expect(try await world.store.head("f").etag == etag)
        #expect(try await list(world.mount(cache))["f"]?.mode == 0o644)
        world.clock.advance(seconds: 10)
        #expect(try await list(world.mount(cache))["f"]?.mode == 0o644)
        await cache.settle()
        world.store.log.reset()
        #expect(try await list(world.mount(cache))["f"]?.mode == 0o644)
        #expect(world.requests() == ["ListObjectsV2": 1])
    }

    @Test func aMachineWhoseClockIsAheadBelievesTheStoresOne() async throws {
        let world = World()
        let cache = try world.cache()
        defer { cache.close() }
        try await world.put("f", "content", 0o600)
        // This machine is ten seconds ahead; the store answers by its own clock.
        let ahead = ClockedAnswers(base: world.store, clock: world.clock)
        var options = FileSystemOptions()
        let clock = world.clock
        options.clock = FileSystemClock(
            wall: { Timestamp(seconds: clock.now.seconds + 10) },
            monotonic: { Moment(nanoseconds: clock.now.seconds * 1_000_000_000) })
        options.attributeCache = cache
        for mode in [0o600, 0o644] as [UInt32] {
            let mount = BucketFileSystem(store: ahead, prefix: "", options: options, logger: Logger(label: "ahead"))
            #expect(try await list(mount)["f"]?.mode == mode)
            await cache.settle()
            try await world.chmod("f", 0o644)
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func whateverOthersDoTheBucketsAttributesShow(seed: UInt64) async throws
    {
        let world = World()
        var random = SplitMix64(seed: seed)
        let keys = (0..<12).map { ObjectKey("f\(10 + $0)") }
        var cache = try world.cache()
        let other = world.mount(nil)
        var hits = 0
        for step in 0..<600 {
            let key = keys.randomElement(using: &random)!
            let mode = [0o600, 0o644, 0o755].randomElement(using: &random)!
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<2: try await world.put(key, "one", mode)
            case 2: try await world.put(key, "other", mode)
            case 3: try await world.store.delete(key, if: .none)
            case 4..<6:
                if try await world.store.headOrNil(key) != nil { try await world.chmod(key, mode) }
            case 6:
                // Another mount, as this one would.
                if let entry = try? await other.lookup(
                    FileName(key.string)!, in: .root, by: Caller(uid: 0, gid: 0, pid: 1))
                {
                    var changes = AttributeChanges()
                    changes.permissions = UInt32(mode)
                    _ = try? await other.setAttributes(
                        of: entry.node, handle: nil, to: changes, by: Caller(uid: 0, gid: 0, pid: 1))
                    other.forget(entry.node, lookups: 1)
                }
            case 7..<9: world.clock.advance(seconds: Int64.random(in: 0...4, using: &random))
            default:
                hits += cache.counts.hits
                cache.close()
                cache = try world.cache()
            }
            let shown = try await list(world.mount(cache), plus: Bool.random(using: &random))
            for key in keys {
                let truth = try await world.store.headOrNil(key)
                let mode = truth?.metadata.user["mode"].flatMap { UInt32($0) }.map { $0 & 0o7777 }
                #expect(shown[key.string]?.mode == mode, "seed \(seed), step \(step), \(key)")
                #expect(shown[key.string]?.size == truth?.size, "seed \(seed), step \(step), \(key)")
            }
            // What was asked for is on the disk, or still on its way to it.
            if Int.random(in: 0..<4, using: &random) > 0 { await cache.settle() }
        }
        hits += cache.counts.hits
        #expect(hits > 500, "the cache was of use")
        cache.close()
    }
}

/// A store whose answers carry its own clock's time.
private struct ClockedAnswers: ForwardingStore {
    let base: any ObjectStore
    let clock: ManualStoreClock

    func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        var info = try await base.head(key)
        info.answered = clock.now
        return info
    }
}
