/// Where the bytes of a run of a file are.
enum ExtentSource: Sendable {
    /// Written and not stored yet: in `block`, from `offset` on.
    case staged(StagingBlock, offset: Int)
    /// Zeros that nobody wrote: a hole, or what a truncation upwards added.
    case zeros
    /// In the base version of the object, from this offset on.
    case object(Int64)
    /// Only in a part of the multipart upload under way: the store has them and gives them to nobody until it is completed.
    case uploaded

    /// The source `distance` bytes further on.
    func advanced(by distance: Int64) -> ExtentSource {
        switch self {
        case .staged(let block, let offset): .staged(block, offset: offset + Int(distance))
        case .object(let offset): .object(offset + distance)
        case .zeros: .zeros
        case .uploaded: .uploaded
        }
    }

    /// Whether both name the same bytes in the same place.
    func isSame(as other: ExtentSource) -> Bool {
        switch (self, other) {
        case (.staged(let a, let x), .staged(let b, let y)): a === b && x == y
        case (.object(let x), .object(let y)): x == y
        case (.zeros, .zeros), (.uploaded, .uploaded): true
        default: false
        }
    }
}

/// A run of a file whose bytes lie together in one place.
struct Extent: Sendable {
    /// Where in the file it begins.
    var start: Int64
    /// How many bytes it has: at least 1 in an ``ExtentMap``.
    var count: Int64
    /// Where its bytes are.
    var source: ExtentSource

    /// The first byte after it.
    var end: Int64 { start + count }
    /// The bytes of the file that it covers.
    var range: Range<Int64> { start..<start + count }

    /// The part of it inside `range`, which must overlap it.
    func clipped(to range: Range<Int64>) -> Extent {
        let lower = max(start, range.lowerBound)
        let upper = min(end, range.upperBound)
        return Extent(start: lower, count: upper - lower, source: source.advanced(by: lower - start))
    }

    /// Whether `next` goes on where this one ends, in the file and at the source, so that the two are one.
    func isContinued(by next: Extent) -> Bool {
        next.start == end && source.advanced(by: count).isSame(as: next.source)
    }
}
