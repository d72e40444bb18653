import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// What the codecs of metadata make of damaged values: what is read and written again is read as the same, and whatever stands
/// there, there is a file to be shown.
@Suite struct MetadataMutationTests {
    private static let rounds = DocumentMutation.rounds
    private static let seed = DocumentMutation.seed

    private func mutation(_ corpus: [String], _ words: [String]) -> DocumentMutation {
        DocumentMutation(seed: Self.seed, corpus: corpus.map { Array($0.utf8) }, words: words)
    }

    @Test func extendedAttributes() {
        var mutation = mutation(
            [
                "%7B%22user.a%22%3A%22dmFsdWU%3D%22%2C%22user.b%22%3A%22%22%7D", "{\"user.a\":\"dmFsdWU=\"}",
                "%7B%22user.%5Cu00e9%22%3A%22AAECAw%3D%3D%22%7D",
            ], ["%22", "%7B", "%7D", "%3A", "%2C", "%5C", "%5Cu", "%5CuD83D%5CuDE00", "%", "%00", "=", "{", "\""])
        var read = 0
        for round in 0..<Self.rounds {
            let text = String(decoding: mutation.next(), as: UTF8.self)
            let found = ExtendedAttributes(header: text)
            guard case .readable(let entries) = found else {
                // What cannot be read is kept as it is.
                if case .unreadable = found { #expect(found.header == text) }
                continue
            }
            read += 1
            #expect(entries.reduce(0) { $0 + $1.name.utf8.count + $1.value.count } <= text.utf8.count, "round \(round)")
            guard !entries.isEmpty else { continue }
            #expect(ExtendedAttributes(header: found.header) == found, "seed \(Self.seed), round \(round): \(text)")
        }
        #expect(read > Self.rounds / 100)
    }

    @Test func wholeObjects() throws {
        let names = [
            "mode", "uid", "gid", "mtime", "ctime", "atime", "rdev", "xattr", "goog-reserved-posix-mode", "pail-link",
        ]
        var mutation = mutation(
            [
                "33188", "16877", "41471", "0", "1000", "1700000000.123456789", "-1.5", "8:1",
                "%7B%22user.a%22%3A%22YQ%3D%3D%22%7D",
            ],
            ["-", ".", "+", "0x", "8", ":"])
        var random = SplitMix64(seed: Self.seed)
        for round in 0..<Self.rounds {
            var user: [String: String] = [:]
            for name in names where Int.random(in: 0..<2, using: &random) == 0 {
                user[name] = String(decoding: mutation.next().prefix(300), as: UTF8.self)
            }
            for key in ["file", "dir/"] as [ObjectKey] {
                let first = decoded(user, key)
                #expect(first.permissions <= 0o7777)
                guard let metadata = try? first.metadata(merging: ObjectMetadata(user: user)) else { continue }
                let second = decoded(metadata.user, key)
                #expect(
                    second.mode == first.mode && second.owner == first.owner && second.group == first.group
                        && second.modificationTime == first.modificationTime && second.changeTime == first.changeTime
                        && second.accessTime == first.accessTime
                        && second.extendedAttributes == first.extendedAttributes,
                    "seed \(Self.seed), round \(round): \(user)")
                // And from there on nothing changes any more.
                #expect(try second.metadata(merging: metadata).user == metadata.user, "round \(round): \(user)")
                // Either form of a marker tells the same.
                for form in [DirectoryMarkerForm.userMetadata, .contentTypeParameter] {
                    var marker = DirectoryMarkerCoding.encode(metadata, form: form)
                    if form == .contentTypeParameter { marker.user = [:] }
                    #expect(
                        DirectoryMarkerCoding.decode(marker).user == metadata.user, "round \(round), \(form): \(user)")
                }
            }
        }
    }

    private func decoded(_ user: [String: String], _ key: ObjectKey) -> StoredAttributes {
        StoredAttributes(
            decoding: ObjectMetadata(user: user), key: key, size: 0, lastModified: Timestamp(seconds: 1_700_000_000),
            defaults: AttributeDefaults(owner: 1, group: 2))
    }

    @Test func markers() {
        var mutation = mutation(
            ["application/x-directory; pail=\"mode=16877&uid=0&mtime=1577934245.500000000\""],
            ["; pail=\"", "&", "=", "%", "%00", "%FF", "\"", ";"])
        for round in 0..<Self.rounds {
            let type = String(decoding: mutation.next(), as: UTF8.self)
            let found = DirectoryMarkerCoding.decode(ObjectMetadata(contentType: type))
            #expect(
                found.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count } <= type.utf8.count,
                "round \(round)")
        }
    }

    @Test func accessLists() {
        // user::rw-, user:7:r--, group::r--, mask::rw-, other::---, as setxattr(2) brings them.
        let list: [UInt8] =
            [2, 0, 0, 0] + [1, 0, 6, 0, 255, 255, 255, 255] + [2, 0, 4, 0, 7, 0, 0, 0] + [
                4, 0, 4, 0, 255, 255, 255, 255,
            ]
            + [16, 0, 6, 0, 255, 255, 255, 255] + [32, 0, 0, 0, 255, 255, 255, 255]
        var mutation = DocumentMutation(seed: Self.seed, corpus: [list], words: ["\u{1}\u{0}", "\u{2}\u{0}\u{4}\u{0}"])
        for round in 0..<Self.rounds {
            let value = mutation.next()
            guard let found = AccessControlList(value) else { continue }
            #expect(found.value == value, "seed \(Self.seed), round \(round): \(value)")
        }
    }

    @Test func timesAndPaths() {
        var mutation = mutation(
            ["1700000000.123456789", "-1.500000000", "0", "a/b%20c%25", "%C3%A9"], ["%", "%2F", ".", "-", "+"])
        for round in 0..<Self.rounds {
            let text = String(decoding: mutation.next(), as: UTF8.self)
            if let time = StoredTime.parse(text) {
                #expect(StoredTime.parse(StoredTime.text(time)) == time, "seed \(Self.seed), round \(round): \(text)")
            }
            if let bytes = PathPercentCoding.decode(text) {
                #expect(PathPercentCoding.decode(PathPercentCoding.encode(bytes)) == bytes, "round \(round): \(text)")
            }
        }
    }
}
