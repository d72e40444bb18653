import ObjectStoreTesting
import Testing

@testable import ObjectStore

/// What two answers deliver together, whatever the order of their pieces.
@Suite struct HedgedDownloadTests {
    private static func info(_ etag: String?, size: Int64 = 1000) -> ObjectInfo {
        ObjectInfo(size: size, etag: etag.map { ETag($0) }, lastModified: Timestamp(seconds: 1))
    }

    /// Each byte comes once and in order, and only of the version that began.
    @Test(arguments: 0..<300) func anyInterleaving(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var download = HedgedDownload()
        let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let isSame = Int.random(in: 0..<3, using: &random) > 0
        var offsets: [HedgedDownload.Attempt: Int] = [:]
        var delivered: [UInt8] = []
        var told = 0
        while delivered.count < 900 {
            let attempt: HedgedDownload.Attempt = Bool.random(using: &random) ? .first : .second
            guard let offset = offsets[attempt] else {
                // The second begins where the bytes stood when it was sent, or earlier.
                let missing = download.remainder.map { Int($0.lowerBound) } ?? 100
                let start = attempt == .first ? 100 : Int.random(in: 100...missing, using: &random)
                guard attempt == .first || !offsets.isEmpty || isSame else { continue }
                let etag = attempt == .first || isSame ? "one" : "two"
                if download.begin(attempt, Self.info(etag), Int64(start)..<1000) { told += 1 }
                offsets[attempt] = start
                continue
            }
            let count = Int.random(in: 0...min(150, 1000 - offset), using: &random)
            let new = download.receive(attempt, count: count)
            // Another version has other bytes.
            let piece = content[offset..<offset + count].map { attempt == .second && !isSame ? ~$0 : $0 }
            delivered += piece[new]
            offsets[attempt] = offset + count
            #expect(Int(download.position) == 100 + delivered.count, "seed \(seed)")
        }
        #expect(told == 1)
        #expect(delivered == Array(content[100...]), "seed \(seed)")
        #expect(download.remainder == nil)
        #expect(download.isComplete(by: .second) == (offsets[.second] != nil && isSame))
    }

    @Test func anAnswerThatBeginsTooLateOrTellsNoVersionGivesNothing() {
        var download = HedgedDownload()
        #expect(download.remainder == nil)
        var isFirst = download.begin(.first, Self.info("one"), 0..<1000)
        #expect(isFirst)
        var new = download.receive(.first, count: 10)
        #expect(new == 0..<10)
        #expect(download.remainder == 10..<1000)
        isFirst = download.begin(.second, Self.info("one"), 11..<1000)
        new = download.receive(.second, count: 5)
        #expect(!isFirst && new.isEmpty)
        for other in [Self.info(nil), Self.info("one", size: 999)] {
            isFirst = download.begin(.second, other, 10..<1000)
            new = download.receive(.second, count: 5)
            #expect(!isFirst && new.isEmpty)
            #expect(!download.isComplete(by: .second))
        }
    }
}
