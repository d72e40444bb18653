import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// How names, paths and keys follow from one another.
@Suite struct KeySpaceTests {
    @Test func keysOfPaths() {
        let whole = KeySpace(prefix: "")
        #expect(whole.fileKey("a/b") == "a/b" && whole.directoryKey("a/b") == "a/b/")
        #expect(whole.listingPrefix("") == "" && whole.listingPrefix("a") == "a/")
        #expect(whole.directoryKey("") == ".pail/root/")
        #expect(whole.reservedKey("unlinked/1") == ".pail/unlinked/1")
        let part = KeySpace(prefix: "p/")
        #expect(part.fileKey("a") == "p/a" && part.directoryKey("") == "p/" && part.listingPrefix("") == "p/")
        #expect(part.reservedKey("x") == "p/.pail/x")
    }

    @Test func whatIsReserved() {
        let keys = KeySpace(prefix: "")
        #expect(keys.isReserved(".pail") && keys.isReserved(".pail/x"))
        #expect(!keys.isReserved(".pailx") && !keys.isReserved("a/.pail") && !keys.isReserved(".pai"))
    }

    @Test func theLongestKey() {
        let keys = KeySpace(prefix: "p/")
        #expect(keys.fits(String(repeating: "x", count: 1021)))
        #expect(!keys.fits(String(repeating: "x", count: 1022)))
    }

    @Test func namesOfEntries() {
        #expect(KeySpace.name(of: "a/b", below: "a/") == FileName("b"))
        #expect(KeySpace.name(of: "a/b/", below: "a/") == FileName("b"))
        #expect(KeySpace.name(of: "b/", below: "") == FileName("b"))
    }

    @Test(arguments: [
        "/", "./", "../", ".", "..", "", "a\u{0}b", String(repeating: "x", count: 256),
        String(repeating: "x", count: 256) + "/", "//",
    ]) func whatTheKernelCannotShow(rest: String) {
        #expect(KeySpace.name(of: "d/" + rest, below: "d/") == nil)
        #expect(KeySpace.name(of: rest, below: "") == nil)
    }

    @Test func theLongestName() {
        let name = String(repeating: "x", count: 255)
        #expect(KeySpace.name(of: "d/" + name, below: "d/")?.string == name)
        #expect(KeySpace.name(of: "d/" + name + "/", below: "d/")?.string == name)
    }
}

/// Where a listing starts that shall show a name and its directory.
@Suite struct JustBeforeTests {
    static func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

    @Test(arguments: ["0", "a", "ab0", "a.", "a-", "\u{E9}", "\u{E000}", "\u{10000}", "a\u{10FFFF}", "\"", "a\u{80}"])
    func sortsBeforeTheName(text: String) throws {
        let before = try #require(FileName(text)?.justBefore)
        #expect(Self.precedes(before, text))
        #expect(!before.utf8.contains(UInt8(ascii: "/")))
        #expect(!before.utf8.elementsEqual(text.utf8))
    }

    /// Where there is no character to put before the last one: from the directory's beginning.
    @Test(arguments: ["!", "a!", " ", "a ", "a\t", "\u{1}"]) func theBeginning(text: String) throws {
        #expect(try #require(FileName(text)).justBefore == nil)
    }

    /// Random names: the text sorts before the name, and behind any other name that ends in a character before the last one's,
    /// whatever plausible follows it.
    @Test(arguments: 1...20) func nothingPlausibleLiesBetween(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<500 {
            let text = Self.text(&random)
            guard let name = FileName(text), let before = name.justBefore else { continue }
            #expect(Self.precedes(before, text))
            var scalars = Array(text.unicodeScalars)
            let last = scalars.removeLast()
            var stem = String.UnicodeScalarView()
            stem.append(contentsOf: scalars)
            let lower = UInt32.random(in: 0x20..<last.value, using: &random)
            guard lower != 0x2F, let character = Unicode.Scalar(lower) else { continue }
            // A neighbour before the name: it, and what goes on behind it, must not be in the listing.
            let neighbour = String(stem) + String(character) + (Bool.random(using: &random) ? Self.text(&random) : "")
            #expect(Self.precedes(neighbour, before), "\(neighbour.debugDescription) before \(text.debugDescription)")
        }
    }

    private static func text(_ random: inout SplitMix64) -> String {
        let ranges: [ClosedRange<UInt32>] = [
            0x20...0x2E, 0x30...0x7E, 0xA0...0x24F, 0x4E00...0x4FFF, 0x1F300...0x1F5FF,
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let range = ranges.randomElement(using: &random)!
            text.append(Unicode.Scalar(UInt32.random(in: range, using: &random))!)
        }
        return String(text)
    }
}

/// Directories' metadata within their content type.
@Suite struct DirectoryMarkerCodingTests {
    @Test func theFormOnTheBucket() {
        let metadata = ObjectMetadata(user: ["mode": "16877", "uid": "0", "xattr": "a\"b&c=d;é"])
        let encoded = DirectoryMarkerCoding.encode(metadata, form: .contentTypeParameter)
        #expect(
            encoded.contentType
                == "application/x-directory; pail=\"mode=16877&uid=0&xattr=a%22b%26c%3Dd%3B%C3%A9\"")
        #expect(DirectoryForm.isDirectory(contentType: encoded.contentType))
        #expect(DirectoryMarkerCoding.encode(metadata, form: .userMetadata).contentType == "application/x-directory")
    }

    @Test(arguments: 1...50) func roundTrips(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            var user: [String: String] = [:]
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                user[Self.hostile(&random)] = Self.hostile(&random)
            }
            let type = Bool.random(using: &random) ? "httpd/unix-directory" : nil
            let metadata = ObjectMetadata(contentType: type, user: user, cacheControl: "no-cache")
            var stored = DirectoryMarkerCoding.encode(metadata, form: .contentTypeParameter)
            #expect(stored.contentType!.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
            stored.user = [:]
            let decoded = DirectoryMarkerCoding.decode(stored)
            #expect(decoded.user == user, "seed \(seed)")
            #expect(decoded.contentType == type ?? "application/x-directory")
            #expect(decoded.cacheControl == "no-cache")
            // Put once more, in either form, nothing piles up.
            #expect(
                DirectoryMarkerCoding.encode(decoded, form: .contentTypeParameter).contentType == stored.contentType)
            #expect(DirectoryMarkerCoding.decode(decoded) == decoded)
        }
    }

    private static func hostile(_ random: inout SplitMix64) -> String {
        let parts = [
            "a", "\"", "&", "=", ";", "%", "%4", "%zz", " ", "\r\n", "\u{0}", "é", "\u{301}", "😀", "; pail=\"", "\\",
            "/",
        ]
        return (0..<Int.random(in: 0...4, using: &random)).map { _ in parts.randomElement(using: &random)! }.joined()
    }

    @Test func storedMetadataWinOverTheParameter() {
        let metadata = ObjectMetadata(
            contentType: "application/x-directory; pail=\"mode=1&uid=2\"", user: ["mode": "16877"])
        #expect(DirectoryMarkerCoding.decode(metadata).user == ["mode": "16877", "uid": "2"])
    }

    /// Whatever a content type holds, decoding neither traps nor makes things up.
    @Test(
        arguments: [
            ("x; pail=\"", [:]), ("x; pail=\"\"", [:]), ("x; pail=\"=\"", ["": ""]), ("x; pail=\"a\"", [:]),
            ("x; pail=\"a=%\"", [:]), ("x; pail=\"a=%4\"", [:]), ("x; pail=\"a=%FF\"", [:]),
            ("x; pail=\"a=1&&b=2\"", ["a": "1", "b": "2"]),
            ("x; pail=\"a=1=2\"", ["a": "1=2"]), ("x; pail=\"a=1", [:]), ("; pail=\"a=1\"", ["a": "1"]), ("", [:]),
            ("\"", [:]),
            ("x; pail=\"a=1\"; charset=utf-8", [:]), ("x; PAIL=\"a=1\"", [:]),
        ] as [(String, [String: String])]) func hostileContentTypes(type: String, user: [String: String])
    {
        let decoded = DirectoryMarkerCoding.decode(ObjectMetadata(contentType: type))
        #expect(decoded.user == user)
    }
}
