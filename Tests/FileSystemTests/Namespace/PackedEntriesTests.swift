import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// Entries in packed form: what goes in comes out, and stands where it belongs.
@Suite struct PackedEntriesTests {
    typealias Entry = KnownEntries.Entry

    static let texts = [
        "a", "a!", "a.b", "ab", "é", "e\u{301}", "z", String(repeating: "n", count: 255), "\u{1F680}", "-", "a/",
    ].dropLast()

    static let etags = [
        nil, ETag("d41d8cd98f00b204e9800998ecf8427e"), ETag("\"d41d8cd98f00b204e9800998ecf8427e-12\""),
        ETag("D41D8CD98F00B204E9800998ECF8427E"), ETag("W/\"x\""), ETag("d41d8cd98f00b204e9800998ecf8427e-0"),
        ETag("ffffffffffffffffffffffffffffffff-65535"), ETag("ffffffffffffffffffffffffffffffff-65536"), ETag(""),
    ]

    static func entries(_ random: inout SplitMix64) -> [Entry] {
        texts.shuffled(using: &random).map { text in
            let name = FileName(text)!
            if Int.random(in: 0..<4, using: &random) == 0 { return Entry(name: name, object: nil) }
            let sizes: [Int64] = [0, 1, 4_294_967_295, 4_294_967_296, 5 << 40]
            let seconds: [Int64] = [-1, 0, 1_700_000_000, 4_294_967_295, 1 << 40]
            return Entry(
                name: name,
                object: .init(
                    size: sizes.randomElement(using: &random)!, etag: etags.randomElement(using: &random)!,
                    lastModified: Timestamp(
                        seconds: seconds.randomElement(using: &random)!,
                        nanoseconds: [0, 1, 999_999_999].randomElement(using: &random)!)))
        }
    }

    static func key(_ entry: Entry) -> ObjectKey { ObjectKey(KnownEntries.key(of: entry)) }

    @Test(arguments: 1...50) func comesOutAsItWentIn(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let sorted = Self.entries(&random).sorted { Self.key($0) < Self.key($1) }
        #expect(Array(PackedEntries(sorted)) == sorted)
        var grown = PackedEntries()
        for entry in sorted.shuffled(using: &random) {
            grown.insert(entry, at: grown.position(of: KnownEntries.key(of: entry), afterEqual: false))
        }
        #expect(Array(grown) == sorted)
        for (index, entry) in sorted.enumerated() {
            let key = KnownEntries.key(of: entry)
            #expect(grown.position(of: key, afterEqual: false) == index)
            #expect(grown.position(of: key, afterEqual: true) == index + 1)
            #expect(grown.hasKey(key, at: index))
        }
        let range = Int.random(in: 0...4, using: &random)..<Int.random(in: 5...9, using: &random)
        #expect(Array(grown.part(range)) == Array(sorted[range]))
        var left = sorted
        while !left.isEmpty {
            let index = left.indices.randomElement(using: &random)!
            left.remove(at: index)
            grown.remove(at: index)
            #expect(Array(grown) == left)
        }
    }

    /// Between two entries a key has the place of the second.
    @Test func aKeyThatIsNotThereHasAPlace() {
        let packed = PackedEntries(
            ["a", "a-", "b"].map { Entry(name: FileName($0)!, object: .init(size: 1, lastModified: .init(seconds: 1))) }
        )
        #expect(packed.position(of: "", afterEqual: true) == 0)
        #expect(packed.position(of: "a/", afterEqual: false) == 2)
        #expect(packed.position(of: "c", afterEqual: false) == 3)
        #expect(!packed.hasKey("a/", at: 0))
    }

    /// What the form is for: a million names of twenty bytes in some fifty megabytes.
    @Test func anEntryTakesFewBytes() {
        let entries = (0..<1000).map { number in
            Entry(
                name: FileName("entry-of-some-\(100_000 + number)")!,
                object: .init(
                    size: 4096, etag: ETag("d41d8cd98f00b204e9800998ecf8427e"),
                    lastModified: Timestamp(seconds: 1_700_000_000)))
        }
        #expect(PackedEntries(entries).byteCount <= 52 * entries.count)
    }
}
