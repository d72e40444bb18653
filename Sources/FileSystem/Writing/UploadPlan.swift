import ObjectStore

/// How the content of a file gets into the bucket: not at all, by one PUT, or by a multipart upload whose parts are sent or
/// copied server-side.
///
/// Problem: S3 objects cannot be changed in place. A change of 4 KiB in 10 GiB shall cost a few MiB of upload, an append the
/// tail, a new file one PUT, within S3's rules: parts of 5 MiB to 5 GiB save for the last, 10,000 of them at most.
///
/// Design, a pure function:
/// 1. Parts that streaming has fixed already keep number and range; those whose bytes changed since are sent again.
/// 2. The rest is cut into runs: base bytes worth a copy (at least the store's minimum part), and everything else.
/// 3. A run to be sent that is too small for a part takes bytes of its neighbours; a base run that gets too small by that is
///    sent as well. So a change of one byte costs one minimum part.
/// 4. Runs are cut into parts by ``PartSchedule``. If there are more parts than the store takes, base runs have to be
///    twice as long to be worth a copy, and again, until they fit.
///
/// Base bytes that are sent have to be read first: they count twice, and still less than a request each would.
enum UploadPlan: Sendable, Equatable {
    /// The content is the base's: nothing to send.
    case nothing
    /// One PUT of the whole.
    case put
    /// A multipart upload of these parts, which cover the file in order.
    case multipart([PlannedPart])
}

/// A part of a planned upload.
struct PlannedPart: Sendable, Equatable {
    /// Where a part's bytes come from.
    enum Source: Sendable, Equatable {
        /// Sent from here, base bytes among them read first.
        case upload
        /// Copied by the store from this range of the base.
        case copy(Range<Int64>)
        /// The store has it already.
        case present(UploadedPart)
    }

    /// 1 to 10,000.
    var number: Int
    /// The bytes of the file that it holds.
    var range: Range<Int64>
    /// Where they come from.
    var source: Source
}

extension UploadPlan {
    /// A part whose number and range are fixed, because streaming began with it.
    struct FixedPart: Sendable, Equatable {
        /// 1 to 10,000.
        var number: Int
        /// The bytes of the file that it holds.
        var range: Range<Int64>
        /// The part as the store has it; nil where its bytes changed since, or never got there.
        var uploaded: UploadedPart?
    }

    /// The content is larger than the store takes, in bytes or in parts: EFBIG.
    struct TooLarge: Error, Equatable {}

    /// The plan for `content`.
    ///
    /// - Parameters:
    ///   - baseSize: the size of the base version; nil where there is none.
    ///   - fixed: the parts that streaming has fixed, in order from byte 0 on without gaps.
    init(
        content: ExtentMap, baseSize: Int64?, fixed: [FixedPart] = [], features: StoreFeatures, limits: WritingLimits
    ) throws(TooLarge) {
        guard content.size <= features.maximumObjectSize else { throw TooLarge() }
        if let baseSize, content.isUnchanged(fromBaseOf: baseSize) {
            self = .nothing
            return
        }
        let kept = fixed.prefix { $0.range.upperBound <= content.size }
        let canPut = content.size <= max(limits.singlePutThreshold, 0) && content.size <= features.maximumPartSize
        if content.size == 0 || (canPut && !kept.contains { $0.uploaded != nil }) {
            self = .put
            return
        }
        var layout = Layout(content: content, fixed: Array(kept), features: features, limits: limits)
        while true {
            if let parts = layout.parts() {
                self = .multipart(parts)
                return
            }
            guard layout.coarsen() else { throw TooLarge() }
        }
    }
}

/// One attempt at laying parts over a file.
private struct Layout {
    struct Run {
        var range: Range<Int64>
        /// Where the base has these bytes; nil for what must be sent.
        var base: Int64?
        var count: Int64 { Int64(range.count) }
    }

    let content: ExtentMap
    let fixed: [UploadPlan.FixedPart]
    let features: StoreFeatures
    let schedule: PartSchedule
    /// Base bytes in a row that are worth a copy of their own.
    var minimumCopy: Int64
    var copySize: Int64
    let minimum: Int64
    let maximum: Int64

    init(content: ExtentMap, fixed: [UploadPlan.FixedPart], features: StoreFeatures, limits: WritingLimits) {
        self.content = content
        self.fixed = fixed
        self.features = features
        schedule = PartSchedule(partSize: limits.partSize, features: features)
        minimum = max(features.minimumPartSize, 1)
        maximum = max(features.maximumPartSize, minimum)
        minimumCopy = features.partCopies ? minimum : .max
        copySize = min(max(limits.copyPartSize, minimum), maximum)
    }

    /// Makes the next attempt need fewer parts; false where it cannot.
    mutating func coarsen() -> Bool {
        if copySize < maximum {
            copySize = copySize > maximum / 2 ? maximum : copySize * 2
            if minimumCopy < .max { minimumCopy *= 2 }
            return true
        }
        guard minimumCopy <= content.size else { return false }
        minimumCopy = minimumCopy > content.size / 2 ? .max : minimumCopy * 2
        return true
    }

    /// The parts; nil where they are too many.
    func parts() -> [PlannedPart]? {
        var parts = fixed.map { part in
            PlannedPart(
                number: part.number, range: part.range, source: part.uploaded.map { .present($0) } ?? .upload)
        }
        let limit = features.maximumPartCount
        for run in runs(from: fixed.last?.range.upperBound ?? 0) {
            var rest = run.range
            let isLastRun = run.range.upperBound == content.size
            while !rest.isEmpty {
                let number = parts.count + 1
                guard number <= limit else { return nil }
                var target = run.base == nil ? schedule.size(ofPart: number) : copySize
                if isLastRun, run.base == nil {
                    // A schedule that began too small for this file catches up.
                    let left = Int64(limit - parts.count)
                    target = min(max(target, (Int64(rest.count) + left - 1) / left), maximum)
                }
                let count = pieceSize(of: Int64(rest.count), target: target, mayEndSmall: isLastRun)
                let range = rest.lowerBound..<rest.lowerBound + count
                let source: PlannedPart.Source =
                    run.base.map { base in
                        let offset = base + range.lowerBound - run.range.lowerBound
                        return .copy(offset..<offset + count)
                    } ?? .upload
                parts.append(PlannedPart(number: number, range: range, source: source))
                rest = range.upperBound..<rest.upperBound
            }
        }
        return parts
    }

    /// How much of `rest` the next part takes, so that what remains is nothing or no smaller than a part may be.
    private func pieceSize(of rest: Int64, target: Int64, mayEndSmall: Bool) -> Int64 {
        if rest <= target { return rest }
        if mayEndSmall || rest - target >= minimum { return target }
        // A little over the target in one part, or in two where one would be over the limit.
        return rest <= maximum ? rest : rest - minimum
    }

    /// The content from `start` on as runs to be copied and runs to be sent, by turns, each long enough for a part.
    private func runs(from start: Int64) -> [Run] {
        var runs: [Run] = []
        for extent in content.slice(start..<content.size) {
            var base: Int64?
            if case .object(let offset) = extent.source, extent.count >= minimumCopy || extent.end == content.size {
                base = features.partCopies ? offset : nil
            }
            if base == nil, let last = runs.last, last.base == nil {
                runs[runs.count - 1].range = last.range.lowerBound..<extent.end
            } else {
                runs.append(Run(range: extent.range, base: base))
            }
        }
        return widened(runs)
    }

    /// Lets runs that are too short to be parts take bytes from the run after, or swallow it.
    private func widened(_ runs: [Run]) -> [Run] {
        var result: [Run] = []
        for var run in runs {
            guard let last = result.last, last.base == nil else {
                result.append(run)
                continue
            }
            if run.base == nil {
                result[result.count - 1].range = last.range.lowerBound..<run.range.upperBound
                continue
            }
            let missing = max(0, minimum - last.count)
            // The file's last part may be as short as it likes.
            let needed = run.range.upperBound == content.size ? 1 : minimum
            if run.count - missing >= needed {
                let boundary = last.range.upperBound + missing
                result[result.count - 1].range = last.range.lowerBound..<boundary
                run.base = run.base! + missing
                run.range = boundary..<run.range.upperBound
                result.append(run)
            } else {
                result[result.count - 1].range = last.range.lowerBound..<run.range.upperBound
            }
        }
        return result
    }
}
