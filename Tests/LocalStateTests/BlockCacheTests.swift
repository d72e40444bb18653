import Foundation
import ObjectStore
import ObjectStoreTesting
import Testing

@testable import LocalState

/// Blocks on the disk: what is read back is what was stored under that ETag, or nothing.
@Suite(.timeLimit(.minutes(15))) struct BlockCacheTests {
    private let scratch = ScratchDirectory()
    private let bucket = InMemoryStore()
    private let size = Int(BlockID.size)

    private func cache(limit: Int64 = 1 << 30, minimumFree: Int64 = 0) throws -> BlockCache {
        try BlockCache(scratch.path + "/cache", options: .init(limit: limit, minimumFree: minimumFree))
    }

    private func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    private func read(_ store: any ObjectStore, _ key: ObjectKey, _ range: Range<Int64>, _ etag: ETag) async throws
        -> [UInt8]
    {
        let sink = CollectingSink()
        let info = try await store.get(key, range: range, ifMatch: etag, into: sink)
        #expect(info.etag == etag)
        return sink.bytes
    }

    /// Waits until the writers have come so far.
    private func written(_ cache: BlockCache, blocks: Int) async throws {
        for _ in 0..<1000 where cache.counts.bytes < Int64(blocks * size) {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(cache.counts.bytes >= Int64(blocks * size))
    }

    private func files() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: scratch.path + "/cache").filter { $0.contains("/") }
            .sorted()
    }

    @Test func whatWasReadOnceCostsNoRequestAlsoAfterANewStart() async throws {
        let content = bytes(3 * size + 1000)
        let etag = bucket.insert("key", content)
        var cache = try cache()
        var store = BlockCacheStore(bucket, cache: cache)
        #expect(try await read(store, "key", 0..<Int64(content.count), etag) == content)
        try await written(cache, blocks: 3)
        for round in 0..<2 {
            for _ in 0..<200 where try files().count < 4 { try await Task.sleep(for: .milliseconds(5)) }
            bucket.log.reset()
            let ranges: [Range<Int64>] = [
                0..<Int64(content.count), 5..<17, Int64(size - 1)..<Int64(2 * size + 1),
                Int64(3 * size + 999)..<Int64(3 * size + 1000), Int64(3 * size)..<Int64(9 * size),
            ]
            for range in ranges {
                let wanted = Array(content[Int(range.lowerBound)..<min(content.count, Int(range.upperBound))])
                #expect(try await read(store, "key", range, etag) == wanted, "\(range) in round \(round)")
            }
            #expect(bucket.log.counts.isEmpty)
            cache.close()
            cache = try self.cache()
            store = BlockCacheStore(bucket, cache: cache)
        }
        cache.close()
    }

    @Test func aRangeOfWhichOnlyTheBeginningIsHereCostsOneRequest() async throws {
        let content = bytes(4 * size)
        let etag = bucket.insert("key", content)
        let cache = try cache()
        defer { cache.close() }
        let store = BlockCacheStore(bucket, cache: cache)
        _ = try await read(store, "key", 0..<Int64(size), etag)
        try await written(cache, blocks: 1)
        bucket.log.reset()
        #expect(try await read(store, "key", 100..<Int64(4 * size), etag) == Array(content[100...]))
        #expect(bucket.log.counts == [.get: 1])
        try await written(cache, blocks: 4)
        bucket.log.reset()
        #expect(try await read(store, "key", 0..<Int64(4 * size), etag) == content)
        #expect(bucket.log.counts.isEmpty)
    }

    @Test func anotherVersionIsNeverServed() async throws {
        let old = bytes(2 * size)
        let first = bucket.insert("key", old)
        let cache = try cache()
        defer { cache.close() }
        let store = BlockCacheStore(bucket, cache: cache)
        _ = try await read(store, "key", 0..<Int64(size), first)
        try await written(cache, blocks: 1)
        let new = bytes(2 * size, seed: 2)
        let second = bucket.insert("key", new)
        #expect(try await read(store, "key", 0..<Int64(2 * size), second) == new)
        // The old version's first block is here, its second is gone: an error, not a mixture.
        await #expect(throws: StoreError.self) { try await read(store, "key", 0..<Int64(2 * size), first) }
        // Nor on a store that ignores If-Match.
        let blind = BlockCacheStore(ConditionBlindStore(bucket, blind: [.conditionalReads]), cache: cache)
        let sink = CollectingSink()
        await #expect(throws: StoreError.self) {
            try await blind.get("key", range: 0..<Int64(2 * size), ifMatch: first, into: sink)
        }
        #expect(sink.bytes == Array(old[..<size]))
    }

    /// Whatever happens to a file, its block is fetched anew.
    @Test(arguments: 0..<60) func aDamagedFileIsNotServed(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let content = bytes(seed % 2 == 0 ? 1000 : size, seed: seed)
        let etag = bucket.insert("key", content)
        let cache = try cache()
        defer { cache.close() }
        let store = BlockCacheStore(bucket, cache: cache)
        _ = try await read(store, "key", 0..<Int64(content.count), etag)
        for _ in 0..<1000 where try files().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        let path = scratch.path + "/cache/" + (try #require(try files().first))
        var file = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        switch seed % 4 {
        case 0: file[Int(random.next() % UInt64(file.count))] ^= 1 << UInt8(random.next() % 8)
        case 1: file.removeLast(1 + Int(random.next() % UInt64(file.count)))
        case 2: file.append(0)
        default: file.swapAt(0, Int(1 + random.next() % UInt64(min(40, file.count - 1))))
        }
        let isChanged = Data(file) != (try Data(contentsOf: URL(fileURLWithPath: path)))
        try Data(file).write(to: URL(fileURLWithPath: path))
        bucket.log.reset()
        #expect(try await read(store, "key", 0..<Int64(content.count), etag) == content)
        #expect(bucket.log.counts == (isChanged ? [.get: 1] : [:]), "seed \(seed)")
    }

    /// A file under another block's name is not that block: names are hashes.
    @Test func aFileOfAnotherBlockIsNotServed() async throws {
        let etags = [bucket.insert("a", bytes(size)), bucket.insert("b", bytes(size, seed: 2))]
        let cache = try cache()
        defer { cache.close() }
        let store = BlockCacheStore(bucket, cache: cache)
        _ = try await read(store, "a", 0..<Int64(size), etags[0])
        try await written(cache, blocks: 1)
        let other = scratch.path + "/cache/" + BlockID(key: "b", etag: etags[1], index: 0).fileName
        try? FileManager.default.createDirectory(
            atPath: (other as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: scratch.path + "/cache/" + BlockID(key: "a", etag: etags[0], index: 0).fileName, toPath: other)
        #expect(try await read(store, "b", 0..<Int64(size), etags[1]) == bytes(size, seed: 2))
    }

    @Test func theLeastRecentlyUsedGoFirstAndTheLimitHolds() async throws {
        let limit = Int64(10 * (size + 200))
        let cache = try cache(limit: limit)
        defer { cache.close() }
        let store = BlockCacheStore(bucket, cache: cache)
        var etags: [ETag] = []
        for number in 0..<30 {
            let etag = bucket.insert(ObjectKey("k\(number)"), bytes(size, seed: UInt64(number)))
            etags.append(etag)
            _ = try await read(store, ObjectKey("k\(number)"), 0..<Int64(size), etag)
            try await written(cache, blocks: min(number + 1, 10))
            // The first is read again and again, and stays.
            _ = try await read(store, "k0", 0..<Int64(size), etags[0])
            #expect(cache.counts.bytes <= limit)
        }
        for _ in 0..<1000 where try files().count > 10 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try files().count <= 10)
        bucket.log.reset()
        _ = try await read(store, "k0", 0..<Int64(size), etags[0])
        _ = try await read(store, "k29", 0..<Int64(size), etags[29])
        #expect(bucket.log.counts.isEmpty)
        _ = try await read(store, "k5", 0..<Int64(size), etags[5])
        #expect(bucket.log.counts == [.get: 1])
    }

    @Test func nothingIsWrittenToAFullDisk() async throws {
        let etag = bucket.insert("key", bytes(size))
        let cache = try cache(minimumFree: .max / 2)
        let store = BlockCacheStore(bucket, cache: cache)
        #expect(try await read(store, "key", 0..<Int64(size), etag) == bytes(size))
        #expect(try await read(store, "key", 0..<Int64(size), etag) == bytes(size))
        cache.close()
        #expect(try files().isEmpty)
        // Closed, it is no hindrance either.
        #expect(try await read(store, "key", 0..<Int64(size), etag) == bytes(size))
    }

    @Test func theIndexKeepsTheOrderOfUse() {
        var index = BlockIndex()
        for number in 0..<100 { index.add("\(number)", bytes: 10) }
        for _ in 0..<5000 { index.touch("7") }
        index.remove("3")
        #expect(index.bytes == 990 && index.count == 99)
        #expect(index.shrink(to: 970) == ["0", "1"])
        index.add("5", bytes: 30)
        #expect(index.bytes == 990)
        #expect(index.shrink(to: 45) == (["2", "4", "6"] + (8..<100).map { "\($0)" }))
        #expect(index.contains("7") && index.contains("5") && index.bytes == 40)
    }
}

/// The conformance suite over a store whose blocks are kept.
@Suite struct BlockCacheConformanceTests {
    @Test func allChecks() async throws {
        let scratch = ScratchDirectory()
        let cache = try BlockCache(scratch.path + "/cache", options: .init(limit: 1 << 24, minimumFree: 0))
        defer { cache.close() }
        let memory = InMemoryStore(options: .s3.with(minimumPartSize: 1 << 16))
        for _ in 0..<2 {
            var profile = StoreConformance.Profile()
            profile.keepsReadVersions = true
            for finding in await StoreConformance.run(on: BlockCacheStore(memory, cache: cache), profile: profile) {
                Issue.record("\(finding)")
            }
        }
    }
}
