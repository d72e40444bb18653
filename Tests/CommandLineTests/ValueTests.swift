import Testing

@testable import pail

@Suite struct ValueTests {
    @Test(
        arguments: [
            ("0", 0), ("4096", 4096), ("1K", 1024), ("8MiB", 8 << 20), ("8m", 8 << 20), ("5GiB", 5 << 30),
            ("2T", 2 << 40),
            ("1kb", 1000), ("3MB", 3_000_000), ("7b", 7),
        ] as [(String, Int64)])
    func sizes(_ text: String, _ bytes: Int64) {
        #expect(ByteSize.parse(text) == bytes)
    }

    @Test(arguments: [
        "", "M", "-1", "+1", "1.5M", "1 M", "1X", "9999999999999999999", "9223372036854775807K", "1MiBs", "\u{0661}",
    ])
    func noSizes(_ text: String) {
        #expect(ByteSize.parse(text) == nil)
    }

    @Test func sizesReadBack() {
        for shift in 0..<62 {
            for offset in [0, 1, 1000] as [Int64] {
                let bytes = (Int64(1) << shift) + offset
                #expect(ByteSize.parse(ByteSize.format(bytes)) == bytes)
            }
        }
    }

    @Test(
        arguments: [
            ("0", 0), ("1", 1000), ("1s", 1000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("0.5", 500),
            ("1.25s", 1250),
            ("0.000001h", 3),
        ] as [(String, Int64)])
    func times(_ text: String, _ milliseconds: Int64) {
        #expect(DurationText.parse(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "s", ".", "1.", ".5", "1.2.3", "-1s", "1 s", "1d", "99999999999999999999s", "1e3"])
    func noTimes(_ text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test func timesReadBack() {
        for milliseconds in [0, 1, 999, 1000, 1500, 60_000, 61_000, 3_600_000, 5_400_000] as [Int64] {
            let time = Duration.milliseconds(milliseconds)
            #expect(DurationText.parse(DurationText.format(time)) == time)
        }
    }

    @Test func nearMisses() {
        let words = ["part-size", "profile", "passwd-file", "umask", "uid", "gid"]
        #expect(NearMiss.suggestion(for: "part-sise", among: words) == "part-size")
        #expect(NearMiss.suggestion(for: "prat-size", among: words) == "part-size")
        #expect(NearMiss.suggestion(for: "profiel", among: words) == "profile")
        #expect(NearMiss.suggestion(for: "something", among: words) == nil)
        #expect(NearMiss.suggestion(for: String(repeating: "x", count: 10_000), among: words) == nil)
        #expect(NearMiss.distance(Array("ab".utf8), Array("ba".utf8)) == 1)
        #expect(NearMiss.distance([], Array("abc".utf8)) == 3)
    }

    @Test(arguments: [
        ("s3://bucket", "bucket", ""), ("s3://bucket/", "bucket", ""), ("s3://bucket/a/b", "bucket", "a/b/"),
        ("s3://bucket/a/b/", "bucket", "a/b/"), ("pail#bucket/x", "bucket", "x/"), ("bucket", "bucket", ""),
        ("bucket:/a/b", "bucket", "a/b/"), ("s3://my.bucket_1-A/\u{e9} x", "my.bucket_1-A", "\u{e9} x/"),
        ("bucket:/", "bucket", ""),
    ])
    func sources(_ text: String, _ bucket: String, _ prefix: String) throws {
        let source = try MountSource(text)
        #expect(source.bucket == bucket)
        #expect(source.prefix == prefix)
        #expect(try MountSource(source.description) == source)
    }

    @Test(arguments: [
        "", "s3://", "s3:///x", "s3://ab", "s3://buc ket", "s3://bucket//a", "s3://bucket/a//b", "s3://bucket/./a",
        "s3://bucket/a/..", "https://host/bucket", "bucket:a", "s3://b\u{fc}cket", "s3://a..b",
        "s3://" + String(repeating: "a", count: 256),
        "s3://bucket/" + String(repeating: "a", count: 256), "s3://bucket/" + String(repeating: "abcd/", count: 300),
    ])
    func noSources(_ text: String) {
        #expect(throws: MountSource.Malformed.self) { try MountSource(text) }
    }

    @Test func statusMessages() {
        let error = CommandError(.refused, "bucket \"b\": no\nsecond line")
        for message in [StatusMessage.ready, .failed(CommandError(.unreachable, "one two  three"))] {
            #expect(StatusMessage(decoding: message.encoded) == message)
        }
        #expect(
            StatusMessage(decoding: StatusMessage.failed(error).encoded)
                == .failed(CommandError(.refused, "bucket \"b\": no\\nsecond line")))
        for text in ["", "ready", "failed 6 x", "failed 0 x\n", "failed 99 x\n", "failed x\n", "nonsense\n", "\n"] {
            #expect(StatusMessage(decoding: Array(text.utf8)) == nil)
        }
    }
}
