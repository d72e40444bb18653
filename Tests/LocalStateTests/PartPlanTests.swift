import ObjectStore
import ObjectStoreTesting
import Testing

@testable import LocalState

@Suite struct PartPlanTests {
    private func features() -> StoreFeatures {
        var features = StoreFeatures()
        features.minimumPartSize = 10
        features.maximumPartSize = 1000
        features.maximumPartCount = 50
        return features
    }

    @Test func anAppendCopiesTheOldAndSendsTheNew() {
        let old = ContentPiece.stored(key: "k", etag: ETag("e"), range: 0..<100)
        let parts = PartPlan.parts(
            of: [old, .local(content: 1, range: 0..<5)], features: features(), partSize: 20)
        #expect(parts.map(\.range) == [0..<100, 100..<105])
        #expect(parts.map { $0.copied != nil } == [true, false])
    }

    @Test func aSmallChangeInTheMiddleSendsAMinimumPart() {
        let pieces: [ContentPiece] = [
            .stored(key: "k", etag: nil, range: 0..<100), .local(content: 1, range: 0..<1),
            .stored(key: "k", etag: nil, range: 101..<200),
        ]
        let parts = PartPlan.parts(of: pieces, features: features(), partSize: 20)
        #expect(parts.map(\.range) == [0..<100, 100..<110, 110..<200])
        #expect(parts[2].copied == .stored(key: "k", etag: nil, range: 110..<200))
    }

    /// Any content gives parts that cover it in order and keep to S3's rules.
    @Test(arguments: UInt64(1)...200) func everyPlanIsLegal(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let features = features()
        let pieces = (0..<Int.random(in: 1...12, using: &random)).map { index -> ContentPiece in
            let start = Int64.random(in: 0..<50, using: &random)
            let range = start..<start + Int64.random(in: 1...300, using: &random)
            return Bool.random(using: &random)
                ? .local(content: Int64(index), range: range)
                : .stored(key: ObjectKey("k\(index)"), etag: nil, range: range)
        }
        let parts = PartPlan.parts(of: pieces, features: features, partSize: 20)
        #expect(parts.count <= features.maximumPartCount)
        #expect(parts.map(\.number) == Array(1...parts.count))
        var position: Int64 = 0
        for part in parts {
            #expect(part.range.lowerBound == position && part.range.count <= features.maximumPartSize)
            #expect(part.number == parts.count || part.range.count >= features.minimumPartSize)
            position = part.range.upperBound
            if let copied = part.copied { #expect(pieces.slice(part.range) == [copied]) }
        }
        #expect(position == pieces.length)
    }
}
