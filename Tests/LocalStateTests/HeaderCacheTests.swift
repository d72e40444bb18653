import Foundation
import ObjectStore
import Testing

@testable import LocalState

/// Headers on the disk: what is given back is what was kept of that very version, or nothing.
@Suite(.timeLimit(.minutes(5))) struct HeaderCacheTests {
    private let scratch = ScratchDirectory()

    private func cache(limit: Int64 = 1 << 30, minimumFree: Int64 = 0) throws -> HeaderCache {
        try HeaderCache(in: scratch.path, options: .init(limit: limit, minimumFree: minimumFree))
    }

    private func info(_ index: Int, seconds: Int64 = 1000, mode: String = "33188") -> ObjectInfo {
        var info = ObjectInfo(
            size: Int64(index), etag: ETag("etag-\(index)"), lastModified: Timestamp(seconds: seconds),
            metadata: ObjectMetadata(contentType: "text/plain", user: ["mode": mode, "xattr": "ü %22"]),
            versionID: "v\(index)")
        info.isEncryptedWithKey = index % 2 == 1
        return info
    }

    private func listed(_ key: ObjectKey, _ info: ObjectInfo) -> ListedObject {
        ListedObject(key: key, size: info.size, etag: info.etag, lastModified: info.lastModified)
    }

    private var file: String { scratch.path + "/" + HeaderCache.fileName }

    @Test func whatWasKeptIsThereForTheNextMount() async throws {
        let keys = (0..<50).map { ObjectKey("d/f\(100 + $0)") }
        var cache = try cache()
        #expect(cache.isEmpty)
        for (index, key) in keys.enumerated() { cache.keep(info(index), of: key) }
        cache.close()
        cache = try self.cache()
        #expect(!cache.isEmpty)
        let asked = keys.enumerated().map { listed($1, info($0)) }
        for isStretch in [true, false] {
            let found = await cache.recall(asked, isStretch: isStretch)
            #expect(found.count == 50)
            for (index, key) in keys.enumerated() { #expect(found[key] == info(index)) }
        }
        #expect(await cache.recall([asked[7]], isStretch: false) == [keys[7]: info(7)])
        #expect(cache.counts.hits == 101)
        cache.close()
    }

    @Test func anotherVersionIsNotGiven() async throws {
        let cache = try cache()
        defer { cache.close() }
        cache.keep(info(1), of: "f")
        await cache.settle()
        #expect(await cache.recall([listed("f", info(1))], isStretch: false).count == 1)
        #expect(await cache.recall([listed("f", info(1, seconds: 1001))], isStretch: false).isEmpty)
        #expect(await cache.recall([listed("f", info(2))], isStretch: false).isEmpty)
        #expect(await cache.recall([listed("g", info(1))], isStretch: false).isEmpty)
        #expect(await cache.recall([listed("d/f", info(1))], isStretch: false).isEmpty)
        var larger = listed("f", info(1))
        larger.size += 1
        #expect(await cache.recall([larger], isStretch: false).isEmpty)
        // The newer one takes its place.
        cache.keep(info(1, seconds: 1002, mode: "33152"), of: "f")
        await cache.settle()
        #expect(await cache.recall([listed("f", info(1))], isStretch: false).isEmpty)
        let found = await cache.recall([listed("f", info(1, seconds: 1002))], isStretch: false)
        #expect(found["f"]?.metadata.user["mode"] == "33152")
    }

    @Test func whatIsForgottenIsGoneAtOnce() async throws {
        let cache = try cache()
        cache.keep(info(1), of: "f")
        await cache.settle()
        cache.forget("f")
        #expect(await cache.recall([listed("f", info(1))], isStretch: false).isEmpty)
        await cache.settle()
        #expect(await cache.recall([listed("f", info(1))], isStretch: false).isEmpty)
        cache.keep(info(1), of: "f")
        await cache.settle()
        #expect(await cache.recall([listed("f", info(1))], isStretch: false).count == 1)
        cache.close()
    }

    @Test func whatIsNotInTheBucketYetIsNotKept() async throws {
        let cache = try cache()
        defer { cache.close() }
        var pending = info(1)
        pending.etag = ETag("pail-7-1")
        cache.keep(pending, of: "f")
        await cache.settle()
        #expect(await cache.recall([listed("f", pending)], isStretch: false).isEmpty)
        #expect(cache.counts.bytes == 0)
    }

    @Test func objectsThatAListingDoesNotShowAnyMoreGo() async throws {
        let cache = try cache()
        defer { cache.close() }
        for index in 0..<10 { cache.keep(info(index), of: ObjectKey("f\(index)")) }
        await cache.settle()
        let before = cache.counts.bytes
        let left = [0, 3, 9].map { listed(ObjectKey("f\($0)"), info($0)) }
        #expect(await cache.recall(left, isStretch: true).count == 3)
        await cache.settle()
        #expect(cache.counts.bytes < before / 2)
        #expect(await cache.recall([listed("f1", info(1))], isStretch: false).isEmpty)
        #expect(await cache.recall(left, isStretch: true).count == 3)
    }

    @Test func directoriesThatNobodyReadGoFirstAndTheLimitHolds() async throws {
        let limit: Int64 = 64 << 10
        let cache = try cache(limit: limit)
        defer { cache.close() }
        for directory in 0..<20 {
            for index in 0..<20 { cache.keep(info(index), of: ObjectKey("d\(10 + directory)/f\(10 + index)")) }
            await cache.settle()
            #expect(cache.counts.bytes <= limit)
        }
        #expect(cache.counts.bytes > limit / 2)
        #expect(await cache.recall([listed("d10/f10", info(0))], isStretch: false).isEmpty)
        #expect(await cache.recall([listed("d29/f10", info(0))], isStretch: false).count == 1)
        // One directory alone stays below it too, and keeps what it has.
        for index in 0..<1000 { cache.keep(info(index), of: ObjectKey("large/f\(1000 + index)")) }
        await cache.settle()
        #expect(cache.counts.bytes <= limit)
        #expect(await cache.recall([listed("large/f1000", info(0))], isStretch: false).count == 1)
        #expect(await cache.recall([listed("large/f1999", info(999))], isStretch: false).isEmpty)
    }

    @Test func withoutRoomOnTheDiskNothingIsKept() async throws {
        let cache = try cache(minimumFree: .max)
        defer { cache.close() }
        cache.keep(info(1), of: "f")
        await cache.settle()
        #expect(await cache.recall([listed("f", info(1))], isStretch: false).isEmpty)
    }

    @Test(arguments: ["garbage", "format", "cut"]) func aDamagedOneIsThrownAway(how: String) async throws {
        let first = try cache()
        for index in 0..<100 { first.keep(info(index), of: ObjectKey("f\(index)")) }
        first.close()
        switch how {
        case "garbage": try Data(repeating: 0x5A, count: 20_000).write(to: URL(fileURLWithPath: file))
        case "format":
            let database = try SQLiteDatabase(file)
            try database.execute("PRAGMA user_version = 99")
            database.close()
        default:
            let data = try Data(contentsOf: URL(fileURLWithPath: file))
            try data.prefix(data.count / 2).write(to: URL(fileURLWithPath: file))
        }
        // Found at the start, or at the first use, and then gone with the next start.
        for _ in 0..<2 {
            let next = try cache()
            let found = await next.recall((0..<100).map { listed(ObjectKey("f\($0)"), info($0)) }, isStretch: false)
            for (key, value) in found { #expect(value == info(Int(key.string.dropFirst())!)) }
            next.keep(info(1), of: "f1")
            next.close()
        }
        let last = try cache()
        #expect(await last.recall([listed("f1", info(1))], isStretch: false) == ["f1": info(1)])
        last.close()
    }

    @Test func aChangedRowIsNotGiven() async throws {
        let first = try cache()
        for index in 0..<20 { first.keep(info(index), of: ObjectKey("f\(10 + index)")) }
        first.close()
        let database = try SQLiteDatabase(file)
        // A changed byte, and a record that belongs to another name.
        try database.run(
            "UPDATE objects SET record = CAST(REPLACE(CAST(record AS TEXT), '33188', '33279') AS BLOB) WHERE name < 'f20'"
        )
        try database.run(
            "UPDATE objects SET etag = 'etag-18', record = (SELECT record FROM objects WHERE name = 'f29') WHERE name = 'f28'"
        )
        database.close()
        let cache = try cache()
        let asked = (0..<20).map { listed(ObjectKey("f\(10 + $0)"), info($0)) }
        let found = await cache.recall(asked, isStretch: true)
        #expect(Set(found.keys.map(\.string)) == Set((20...29).filter { $0 != 28 }.map { "f\($0)" }))
        #expect(cache.counts.damaged >= 10)
        cache.close()
    }
}
