import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// Listings without a delimiter, taken apart, beside listings with one.
@Suite(.timeLimit(.minutes(2))) struct SubtreeListingTests {
    static func tree(_ random: inout SplitMix64, _ count: Int) -> [ObjectKey] {
        var keys: Set<ObjectKey> = []
        let names = ["a", "b", "b-", "b.c", "n", "n-1", "z", "ü", "", ".", String(repeating: "x", count: 300)]
        for _ in 0..<count {
            let depth = Int.random(in: 1...4, using: &random)
            var parts = (0..<depth).map { _ in names[min(Int.random(in: 0..<13, using: &random), 12) % 11] }
            if Int.random(in: 0..<6, using: &random) > 0 { parts = parts.map { $0.isEmpty ? "q" : $0 } }
            var key = "p/" + parts.joined(separator: "/")
            if Int.random(in: 0..<4, using: &random) == 0 { key += "/" }
            keys.insert(ObjectKey(key))
        }
        return Array(keys)
    }

    private static func lowSlash(_ key: ObjectKey) -> [UInt8] { key.string.utf8.map { $0 == 0x2F ? 0 : $0 } }

    @Test(arguments: 0..<60 as Range<UInt64>) func directoriesAreThoseOfAListingWithADelimiter(seed: UInt64)
        async throws
    {
        var random = SplitMix64(seed: seed)
        let store = InMemoryStore()
        let keys = Self.tree(&random, Int.random(in: 1...120, using: &random))
        for key in keys { store.insert(key, [1]) }
        let walkOrder = seed % 2 == 1
        let sorted = keys.sorted {
            walkOrder
                ? Self.lowSlash($0).lexicographicallyPrecedes(Self.lowSlash($1))
                : $0.string.utf8.lexicographicallyPrecedes($1.string.utf8)
        }
        var listing = SubtreeListing(prefix: "p/", after: nil)
        var found: [String: SubtreeListing.Directory] = [:]
        let size = Int.random(in: 1...20, using: &random)
        for start in stride(from: 0, to: sorted.count, by: size) {
            let end = min(sorted.count, start + size)
            let objects = sorted[start..<end].map {
                ListedObject(
                    key: $0, size: 1, etag: store.info(of: $0)?.etag, lastModified: store.info(of: $0)!.lastModified)
            }
            let page = ListPage(objects: objects, next: end < sorted.count ? ListContinuation(token: "x") : nil)
            for directory in listing.take(page, seen: Moment(nanoseconds: 1)) {
                #expect(found[directory.prefix] == nil, "\(directory.prefix) twice")
                found[directory.prefix] = directory
            }
        }
        #expect(!listing.isBroken)
        let bucket = TestBucket()
        let fileSystem = bucket.mount().fileSystem
        for directory in found.values {
            let page = try await store.list(ListRequest(prefix: directory.prefix, delimiter: "/"))
            let wanted = fileSystem.listed(page, below: directory.prefix, after: nil, seen: Moment(nanoseconds: 1))
            #expect(directory.entries == Array(wanted.span.entries), "seed \(seed), \(directory.prefix)")
            #expect(directory.hasMarker == (store.info(of: ObjectKey(directory.prefix)) != nil))
        }
        // None that a file could have a name for is left out.
        let all = Set(
            keys.flatMap { key -> [String] in
                let parts = key.string.split(separator: "/", omittingEmptySubsequences: false).dropLast()
                return (2...max(2, parts.count)).compactMap { count in
                    guard count <= parts.count, parts[1..<count].allSatisfy({ FileName(String($0)) != nil }) else {
                        return nil
                    }
                    return parts[..<count].joined(separator: "/") + "/"
                }
            })
        #expect(Set(found.keys) == all, "seed \(seed)")
    }

    @Test func anotherOrderEndsIt() {
        let time = Timestamp(seconds: 0)
        let objects = ["p/a/1", "p/b/1", "p/a/2"].map {
            ListedObject(key: ObjectKey($0), size: 1, etag: nil, lastModified: time)
        }
        var listing = SubtreeListing(prefix: "p/", after: nil)
        #expect(listing.take(ListPage(objects: objects), seen: Moment(nanoseconds: 1)).isEmpty)
        #expect(listing.isBroken)
        var behind = SubtreeListing(prefix: "p/", after: "p/c/")
        #expect(behind.take(ListPage(objects: objects), seen: Moment(nanoseconds: 1)).isEmpty)
        #expect(behind.isBroken, "the store has ignored where to begin")
    }
}
