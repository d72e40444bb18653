import ObjectStore
import Testing

@testable import FileSystem

private let defaults = AttributeDefaults(owner: 1000, group: 100)
private let modified = Timestamp(seconds: 1_700_000_000)

private func decode(
    _ user: [String: String] = [:], key: ObjectKey = "file", size: Int64 = 10, contentType: String? = nil
) -> StoredAttributes {
    StoredAttributes(
        decoding: ObjectMetadata(contentType: contentType, user: user), key: key, size: size, lastModified: modified,
        defaults: defaults)
}

@Suite struct StoredAttributesTests {
    @Test(arguments: [
        ("33188", FileType.regular, UInt32(0o644)), ("41471", .symbolicLink, 0o777), ("4516", .fifo, 0o644),
        ("8612", .characterDevice, 0o644), ("16877", .directory, 0o755), ("35327", .regular, 0o4777),
        ("32768", .regular, 0), ("49645", .socket, 0o755), ("25008", .blockDevice, 0o660),
    ])
    func modeWithType(text: String, type: FileType, permissions: UInt32) {
        let attributes = decode(["mode": text])
        #expect(attributes.type == type)
        #expect(attributes.permissions == permissions)
        #expect(attributes.stored.contains([.type, .permissions]))
        #expect(attributes.problems.isEmpty)
    }

    @Test func objectsOfOtherToolsGetDefaults() {
        let file = decode()
        #expect(file.mode == 0o100640)
        #expect(file.owner == 1000)
        #expect(file.group == 100)
        #expect([file.modificationTime, file.changeTime, file.accessTime] == [modified, modified, modified])
        #expect(file.stored == [])
        #expect(file.isComplete)
        #expect(decode(key: "d/", size: 0).mode == 0o040750)
    }

    // mkdir of s3fs writes 493, without type bits.
    @Test(arguments: [
        ("d/", "application/x-directory", Int64(0), FileType.directory),
        ("d/", "text/plain", 0, .directory),
        ("d/", "text/plain", 12, .directory),
        ("d", "application/x-directory", 0, .directory),
        ("d", "application/x-directory; charset=UTF-8", 0, .directory),
        ("d", "HTTPD/unix-directory", 0, .directory),
        ("d", "application/octet-stream", 0, .regular),
        ("d_$folder$", "binary/octet-stream", 0, .directory),
        ("d_$folder$", "binary/octet-stream", 1, .regular),
        ("_$folder$", "binary/octet-stream", 0, .regular),
        ("x/_$folder$", "binary/octet-stream", 0, .regular),
    ])
    func typeWithoutTypeBits(key: String, contentType: String, size: Int64, type: FileType) {
        let attributes = decode(["mode": "493"], key: ObjectKey(key), size: size, contentType: contentType)
        #expect(attributes.type == type)
        #expect(attributes.permissions == 0o755)
        #expect(attributes.problems.isEmpty)
    }

    @Test func modeZeroWithoutTypeIsReadable() {
        #expect(decode(["mode": "0"]).permissions == 0o400)
        #expect(decode(["mode": "0"], key: "d/", size: 0).permissions == 0o500)
        #expect(decode(["mode": "512"]).permissions == 0o1400)
    }

    @Test func aliasesInOrder() {
        let google = [
            "goog-reserved-posix-mode": "755", "goog-reserved-posix-uid": "7", "goog-reserved-posix-gid": "8",
            "goog-reserved-file-mtime": "1577934245",
        ]
        var attributes = decode(google)
        #expect(attributes.mode == 0o100755)
        #expect([attributes.owner, attributes.group] == [7, 8])
        #expect(attributes.modificationTime == Timestamp(seconds: 1_577_934_245))
        #expect(attributes.changeTime == modified)

        let both = google.merging(["permissions": "420", "owner": "9", "group": "0x0A"]) { $1 }
        attributes = decode(both)
        #expect(attributes.mode == 0o100644)
        #expect([attributes.owner, attributes.group] == [9, 10])

        attributes = decode(both.merging(["mode": "384", "uid": "017", "gid": "0"]) { $1 })
        #expect(attributes.mode == 0o100600)
        #expect([attributes.owner, attributes.group] == [15, 0])
    }

    @Test(arguments: [
        "", " ", "-1", "x", "0x", "12a", "1.5", "+", "184467440737095516160", "4294967295", "4294967296",
        "999999999999999999999999999999", "-999999999999999999999999999999", "１２", "0b1", "08", "\u{0}", "1\u{0}",
        String(repeating: "9", count: 2000),
    ])
    func malformedNumbersGiveTheFallback(text: String) {
        let attributes = decode(["uid": text, "gid": text, "owner": "5"])
        #expect(attributes.owner == 5)
        #expect(attributes.group == 100)
        #expect(attributes.problems.map(\.name) == ["uid", "gid"])
        #expect(attributes.problems.allSatisfy { $0.value == text && $0.reason == .malformed })
    }

    @Test(arguments: ["-33188", "65536", "0x81a4", "rw-r--r--", "33188 x", "100000000000000000000000000000"])
    func malformedModes(text: String) {
        let attributes = decode(["mode": text])
        #expect(attributes.mode == 0o100640)
        #expect(attributes.problems == [.init(name: "mode", value: text, reason: .malformed)])
    }

    @Test func unknownTypeBits() {
        let attributes = decode(["mode": String(0o030644)])
        #expect(attributes.mode == 0o100644)
        #expect(attributes.problems.map(\.reason) == [.malformed])
    }

    @Test func aFileUnderADirectorysKey() {
        let attributes = decode(["mode": "33188"], key: "d/", size: 0)
        #expect(attributes.type == .directory)
        #expect(attributes.permissions == 0o644)
        #expect(attributes.problems == [.init(name: "mode", value: "33188", reason: .contradictsKey)])
    }

    @Test func malformedTimes() {
        for text in [
            "", "x", "1e9", "2024-01-01T00:00:00Z", "9223372036854775808", ".5", "1.2.3", "1.-5", "--1", "1,5",
        ] {
            let attributes = decode(["mtime": text, "goog-reserved-file-mtime": "77", "ctime": text])
            #expect(attributes.modificationTime == Timestamp(seconds: 77), "\(text)")
            #expect(attributes.changeTime == modified)
            #expect(attributes.problems.map(\.name) == ["mtime", "ctime"])
        }
    }

    @Test func listingsAreIncomplete() {
        let listed = ListedObject(key: "a/b", size: 3, etag: nil, lastModified: modified)
        let attributes = StoredAttributes(listed: listed, defaults: defaults)
        #expect(!attributes.isComplete)
        #expect(attributes.mode == 0o100640)
        #expect(attributes.modificationTime == modified)
    }

    @Test func whatStatShows() {
        let directory = StoredAttributes(impliedDirectoryAt: modified, defaults: defaults)
        #expect(directory.fileAttributes(inode: 3, size: 0).size == 4096)
        #expect(directory.isComplete)
        #expect(decode(["mode": "33188"]).fileAttributes(inode: 3, size: 12).mode == 0o100644)
    }

    // MARK: Encoding

    @Test func encodesAsS3fsDoes() throws {
        let file = StoredAttributes(
            type: .regular, permissions: 0o644, owner: 0, group: 33,
            modificationTime: Timestamp(seconds: 1_577_934_245, nanoseconds: 500_000_000),
            changeTime: Timestamp(seconds: 5), accessTime: Timestamp(seconds: -1, nanoseconds: 7))
        let metadata = try file.metadata(contentType: "text/plain")
        #expect(metadata.contentType == "text/plain")
        #expect(
            metadata.user == [
                "mode": "33188", "uid": "0", "gid": "33", "mtime": "1577934245.500000000", "ctime": "5",
                "atime": "-1.000000007",
            ])
        let link = StoredAttributes(
            type: .symbolicLink, permissions: 0o777, owner: 0, group: 0, modificationTime: modified,
            changeTime: modified, accessTime: modified)
        #expect(try link.metadata().user["mode"] == "41471")
    }

    @Test func foreignMetadataSurvive() throws {
        let existing = ObjectMetadata(
            contentType: "text/x",
            user: ["colour": "blue", "mtime": "x", "owner": "alice", "group": "7", "xattr": "old"],
            cacheControl: "no-cache", contentDisposition: "inline", contentEncoding: "gzip", contentLanguage: "en",
            expires: "never", websiteRedirectLocation: "/", storageClass: "STANDARD_IA")
        let attributes = StoredAttributes(
            type: .regular, permissions: 0o600, owner: 1, group: 2, modificationTime: modified, changeTime: modified,
            accessTime: modified)
        var expected = existing
        expected.user = [
            "colour": "blue", "owner": "alice", "group": "7", "mode": "33152", "uid": "1", "gid": "2",
            "mtime": "1700000000", "ctime": "1700000000", "atime": "1700000000",
        ]
        #expect(try attributes.metadata(merging: existing) == expected)
    }

    @Test func otherToolsNamesAreKeptTrue() throws {
        let existing = ObjectMetadata(user: [
            "goog-reserved-posix-mode": "644", "goog-reserved-posix-uid": "1", "goog-reserved-file-mtime": "1",
            "permissions": "420", "owner": "1", "group": "1",
        ])
        let attributes = StoredAttributes(
            type: .regular, permissions: 0o755, owner: 11, group: 12, modificationTime: modified, changeTime: modified,
            accessTime: modified)
        let user = try attributes.metadata(merging: existing).user
        #expect(user["goog-reserved-posix-mode"] == "755")
        #expect(user["goog-reserved-posix-uid"] == "11")
        #expect(user["goog-reserved-posix-gid"] == nil)
        #expect(user["goog-reserved-file-mtime"] == "1700000000")
        #expect(user["permissions"] == "493")
        #expect(user["owner"] == "11")
        #expect(user["group"] == "12")
    }

    @Test func anUnreadableXattrHeaderIsKeptAsItIs() throws {
        let metadata = ObjectMetadata(user: ["xattr": "%7Bbroken%"])
        let attributes = StoredAttributes(
            decoding: metadata, key: "f", size: 0, lastModified: modified, defaults: defaults)
        #expect(attributes.extendedAttributes.entries == nil)
        #expect(attributes.problems.map(\.name) == ["xattr"])
        #expect(try attributes.metadata(merging: metadata).user["xattr"] == "%7Bbroken%")
        #expect(try attributes.metadata().user["xattr"] == "%7Bbroken%")
    }

    @Test func theLimitOfMetadata() throws {
        var attributes = StoredAttributes(
            type: .regular, permissions: 0, owner: 0, group: 0, modificationTime: modified, changeTime: modified,
            accessTime: modified)
        func size(_ metadata: ObjectMetadata) -> Int {
            metadata.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        }
        let own = size(try attributes.metadata())
        let fits = ObjectMetadata(user: ["k": String(repeating: "x", count: 2048 - own - 1)])
        #expect(size(try attributes.metadata(merging: fits)) == 2048)
        attributes.owner = 10
        #expect(throws: MetadataTooLarge(size: 2049)) { try attributes.metadata(merging: fits) }
    }

    @Test func roundTrips() throws {
        var random = SeededRandom(seed: 0x5EED_0001)
        for _ in 0..<2000 {
            let type = FileType.allCases.randomElement(using: &random)!
            let isDevice = type == .characterDevice || type == .blockDevice
            func time() -> Timestamp {
                Timestamp(
                    seconds: Int64.random(in: -5_000_000_000...50_000_000_000, using: &random),
                    nanoseconds: Bool.random(using: &random) ? 0 : Int32.random(in: 0..<1_000_000_000, using: &random))
            }
            let attributes = StoredAttributes(
                type: type, permissions: UInt32.random(in: 0...0o7777, using: &random),
                owner: UInt32.random(in: 0..<UInt32.max, using: &random),
                group: UInt32.random(in: 0..<UInt32.max, using: &random), modificationTime: time(), changeTime: time(),
                accessTime: time(),
                device: isDevice
                    ? StoredDevice.pack(
                        major: UInt32.random(in: 0...UInt32.max, using: &random),
                        minor: UInt32.random(in: 0...UInt32.max, using: &random)) : 0,
                extendedAttributes: Bool.random(using: &random)
                    ? .none
                    : ExtendedAttributes([.init(name: "user.k", value: [UInt8.random(in: 0...255, using: &random)])]))
            let key: ObjectKey = type == .directory ? "d/" : "f"
            let back = StoredAttributes(
                decoding: try attributes.metadata(), key: key, size: 0, lastModified: modified, defaults: defaults)
            #expect(back.problems.isEmpty)
            #expect(back.mode == attributes.mode)
            #expect([back.owner, back.group] == [attributes.owner, attributes.group])
            #expect(back.modificationTime == attributes.modificationTime)
            #expect(back.changeTime == attributes.changeTime)
            #expect(back.accessTime == attributes.accessTime)
            #expect(back.device == attributes.device)
            #expect(back.extendedAttributes == attributes.extendedAttributes)
        }
    }

    @Test func hostileMetadataNeverCrash() {
        var random = SeededRandom(seed: 0x5EED_0002)
        let names = [
            "mode", "permissions", "goog-reserved-posix-mode", "uid", "owner", "gid", "mtime", "ctime", "atime", "rdev",
            "xattr",
        ]
        let pieces = [
            "0", "9", "-", ".", "x", "%", "7B", "\"", ":", "8612", "\u{e9}", "=", "{", "}", "\\u", "D8", " ", "+",
        ]
        for _ in 0..<20_000 {
            var user: [String: String] = [:]
            for name in names {
                user[name] = (0..<Int.random(in: 0...12, using: &random))
                    .map { _ in pieces.randomElement(using: &random)! }.joined()
            }
            let attributes = decode(user)
            #expect(attributes.permissions <= 0o7777)
            #expect((0..<1_000_000_000).contains(attributes.modificationTime.nanoseconds))
        }
    }
}

@Suite struct StoredTimeTests {
    @Test(arguments: [
        ("0", Int64(0), Int32(0)), ("1.5", 1, 500_000_000), ("1577934245.500000000", 1_577_934_245, 500_000_000),
        ("7.000000001", 7, 1), ("7.", 7, 0), ("7.1234567891", 7, 123_456_789), (" 7.25 ", 7, 250_000_000),
        ("-1.500000000", -1, 500_000_000), ("9223372036854775807", Int64.max, 0), ("+3", 3, 0),
        ("1.000000000000000000000000000001", 1, 0),
    ])
    func reads(text: String, seconds: Int64, nanoseconds: Int32) {
        #expect(StoredTime.parse(text) == Timestamp(seconds: seconds, nanoseconds: nanoseconds))
    }

    @Test func writes() {
        #expect(StoredTime.text(Timestamp(seconds: 3)) == "3")
        #expect(StoredTime.text(Timestamp(seconds: 3, nanoseconds: 42)) == "3.000000042")
        #expect(StoredTime.text(Timestamp(seconds: -3, nanoseconds: 999_999_999)) == "-3.999999999")
    }
}

@Suite struct StoredDeviceTests {
    @Test func asGlibcPacksThem() {
        #expect(StoredDevice.pack(major: 8, minor: 1) == 0x801)
        #expect(StoredDevice.pack(major: 259, minor: 300) == 0x11_032C)
        #expect(StoredDevice.pack(major: 0xF_FFFF, minor: 0xF_FFFF) == 0xF_F000_FFFF_FFFF)
        #expect(StoredDevice.text(0x801) == "8:1")
    }

    @Test(arguments: ["", "8", "8:", ":1", "8:1:2", "-8:1", "4294967296:0", "8:x", "0x8:1"])
    func malformed(text: String) { #expect(StoredDevice.parse(text) == nil) }
}
