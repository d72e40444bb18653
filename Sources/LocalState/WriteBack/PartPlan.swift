internal import ObjectStore

/// The parts of the multipart upload of a pending object: what is sent from here and what is copied inside the bucket.
///
/// **Problem.** S3's parts hold at least 5 MiB, the last one excepted, and at most 5 GiB; there are 10,000 of them at most.
///
/// **Design**, a pure function. Stretches of one stored version that are long enough to be parts are copied; everything else is
/// sent, stored bytes among it read first. A stretch to be sent that is too short takes bytes from the stored one after it, or
/// swallows it. Too many parts: all sizes double. (FileSystem's `UploadPlan` does the same for a file's extents, with parts
/// that streaming has fixed.)
enum PartPlan {
    /// A part.
    struct Part: Sendable, Equatable {
        var number: Int
        /// Bytes of the object.
        var range: Range<Int64>
        /// The one stored piece that it copies; nil where it is sent.
        var copied: ContentPiece?
    }

    private struct Run {
        var range: Range<Int64>
        var stored: ContentPiece?
    }

    /// The parts of an object of these pieces, none of which is pending.
    static func parts(of pieces: [ContentPiece], features: StoreFeatures, partSize: Int64) -> [Part] {
        var sendSize = max(partSize, features.minimumPartSize, 1)
        var copySize = max(min(256 << 20, features.maximumPartSize), sendSize)
        var minimumCopy = features.partCopies ? max(features.minimumPartSize, 1) : .max
        while true {
            let parts = cut(runs(pieces, minimumCopy, features), sendSize, copySize, features)
            if parts.count <= features.maximumPartCount || sendSize >= features.maximumPartSize { return parts }
            sendSize = min(sendSize * 2, features.maximumPartSize)
            copySize = min(copySize * 2, features.maximumPartSize)
            if minimumCopy < .max / 2 { minimumCopy *= 2 }
        }
    }

    private static func runs(_ pieces: [ContentPiece], _ minimumCopy: Int64, _ features: StoreFeatures) -> [Run] {
        let minimum = max(features.minimumPartSize, 1)
        let length = pieces.length
        var runs: [Run] = []
        var start: Int64 = 0
        for piece in pieces where piece.count > 0 {
            var run = Run(range: start..<start + piece.count)
            start += piece.count
            if case .stored = piece, piece.count >= minimumCopy || start == length, features.partCopies {
                run.stored = piece
            }
            if let last = runs.last, last.stored == nil {
                guard let stored = run.stored else {
                    runs[runs.count - 1].range = last.range.lowerBound..<run.range.upperBound
                    continue
                }
                let missing = max(0, minimum - Int64(last.range.count))
                let left = Int64(run.range.count) - missing
                guard left >= (start == length ? 1 : minimum) else {
                    runs[runs.count - 1].range = last.range.lowerBound..<run.range.upperBound
                    continue
                }
                runs[runs.count - 1].range = last.range.lowerBound..<last.range.upperBound + missing
                run.range = run.range.lowerBound + missing..<run.range.upperBound
                run.stored = stored.slice(missing..<stored.count)
            }
            runs.append(run)
        }
        return runs
    }

    private static func cut(_ runs: [Run], _ sendSize: Int64, _ copySize: Int64, _ features: StoreFeatures) -> [Part] {
        let minimum = max(features.minimumPartSize, 1)
        var parts: [Part] = []
        for (index, run) in runs.enumerated() {
            let isLast = index == runs.count - 1
            var rest = run.range
            while !rest.isEmpty {
                let target = run.stored == nil ? sendSize : copySize
                var count = Int64(rest.count)
                if count > target {
                    count = target
                    // What remains is nothing or no smaller than a part may be.
                    if !isLast, Int64(rest.count) - count < minimum {
                        let all = Int64(rest.count)
                        count = all <= features.maximumPartSize ? all : all - minimum
                    }
                }
                let range = rest.lowerBound..<rest.lowerBound + count
                let copied = run.stored?.slice(
                    range.lowerBound - run.range.lowerBound..<range.upperBound - run.range.lowerBound)
                parts.append(Part(number: parts.count + 1, range: range, copied: copied))
                rest = range.upperBound..<rest.upperBound
            }
        }
        return parts
    }
}
