/// The content of a file as ordered extents without gaps: each byte from 0 to `size` lies in exactly one.
///
/// Problem: a file being written is a patchwork of new bytes, holes and ranges of the stored object, and one upload plan has
/// to serve all cases. A random writer makes hundreds of thousands of extents, a sequential one shall make few.
///
/// Design: a sorted list in chunks of at most ``chunkLimit`` extents, found by two binary searches; an update touches one
/// or two chunks. Neighbours that continue each other are joined on every update, so the same content reached by whatever
/// steps has one form: a file that is its base, byte for byte in place, is a single extent. A copy of the map is a snapshot
/// and costs nothing until one of the two changes, and then a chunk at a time.
///
/// Limits: an update costs O(log n) to find its place and moves at most a chunk, plus one pointer a chunk where chunks come
/// or go. The map is a pure value and knows nothing of stores, files and locks.
struct ExtentMap: Sendable {
    /// The most extents in a chunk.
    static let chunkLimit = 128

    private struct Chunk: Sendable {
        var extents: [Extent]
        var start: Int64 { extents[0].start }
    }
    private struct Position: Equatable {
        var chunk: Int
        var index: Int
    }

    private var chunks: [Chunk] = []
    /// The file's size in bytes.
    private(set) var size: Int64 = 0
    /// The number of extents.
    private(set) var count = 0

    /// An empty file.
    init() {}

    /// A file whose content is an object of `size` bytes.
    init(objectSize size: Int64) {
        self.init(extents: size > 0 ? [Extent(start: 0, count: size, source: .object(0))] : [])
    }

    /// A file of the given extents, which follow each other from 0 on without gaps.
    init(extents: [Extent]) {
        var joined: [Extent] = []
        for extent in extents { Self.append(extent, to: &joined) }
        count = joined.count
        size = joined.last?.end ?? 0
        var index = 0
        while index < joined.count {
            let upper = min(index + Self.chunkLimit / 2, joined.count)
            chunks.append(Chunk(extents: Array(joined[index..<upper])))
            index = upper
        }
    }

    // MARK: Asking

    /// The extents of `range`, clipped to it and to the size.
    func slice(_ range: Range<Int64>) -> [Extent] {
        let range = range.clamped(to: 0..<size)
        guard !range.isEmpty else { return [] }
        var result: [Extent] = []
        var position = find(range.lowerBound)
        while position.chunk < chunks.count {
            let extent = chunks[position.chunk].extents[position.index]
            guard extent.start < range.upperBound else { break }
            result.append(extent.clipped(to: range))
            advance(&position)
        }
        return result
    }

    /// All extents.
    var extents: [Extent] { chunks.flatMap(\.extents) }

    /// Whether another map names the same bytes, block for block.
    func isSame(as other: ExtentMap) -> Bool {
        size == other.size && count == other.count
            && zip(extents, other.extents).allSatisfy {
                $0.start == $1.start && $0.count == $1.count && $0.source.isSame(as: $1.source)
            }
    }

    /// Whether the content is that of a base of `baseSize` bytes, byte for byte in place.
    func isUnchanged(fromBaseOf baseSize: Int64) -> Bool {
        guard size == baseSize else { return false }
        if size == 0 { return true }
        guard count == 1, case .object(0) = chunks[0].extents[0].source else { return false }
        return true
    }

    /// The ranges that are not the base's bytes in place, in order, joined where they touch.
    var dirtyRanges: [Range<Int64>] {
        var result: [Range<Int64>] = []
        for chunk in chunks {
            for extent in chunk.extents {
                if case .object(let offset) = extent.source, offset == extent.start { continue }
                if let last = result.last, last.upperBound == extent.start {
                    result[result.count - 1] = last.lowerBound..<extent.end
                } else {
                    result.append(extent.range)
                }
            }
        }
        return result
    }

    /// Whether some byte of `range` is only in an uploaded part.
    func hasUploadedBytes(in range: Range<Int64>) -> Bool {
        let range = range.clamped(to: 0..<size)
        guard !range.isEmpty else { return false }
        var position = find(range.lowerBound)
        while position.chunk < chunks.count {
            let extent = chunks[position.chunk].extents[position.index]
            guard extent.start < range.upperBound else { return false }
            if case .uploaded = extent.source { return true }
            advance(&position)
        }
        return false
    }

    /// The first byte at or behind `offset` that is data, or that is in a hole: zeros that nobody wrote, and the end of the file.
    /// Nil where there is none, and where `offset` is not in the file.
    func seek(from offset: Int64, to target: SeekTarget) -> Int64? {
        guard offset >= 0, offset < size else { return nil }
        var position = find(offset)
        while position.chunk < chunks.count {
            let extent = chunks[position.chunk].extents[position.index]
            let isHole = if case .zeros = extent.source { true } else { false }
            if isHole == (target == .hole) { return max(offset, extent.start) }
            advance(&position)
        }
        return target == .hole ? size : nil
    }

    // MARK: Changing

    /// Puts bytes in place of `range`; beyond the size it grows the file, with zeros up to where the range begins.
    mutating func write(_ range: Range<Int64>, _ source: ExtentSource) {
        precondition(range.lowerBound >= 0)
        guard !range.isEmpty else { return }
        if range.lowerBound > size { extend(to: range.lowerBound) }
        let new = Extent(start: range.lowerBound, count: Int64(range.count), source: source)
        if new.start == size, !chunks.isEmpty {
            // The sequential writer: the last extent grows in place.
            let chunk = chunks.count - 1
            let last = chunks[chunk].extents.count - 1
            if chunks[chunk].extents[last].isContinued(by: new) {
                chunks[chunk].extents[last].count += new.count
                size = new.end
                return
            }
        }
        replace(range, with: new)
    }

    /// Makes `range` zeros; beyond the size it grows the file.
    mutating func zero(_ range: Range<Int64>) { write(range, .zeros) }

    /// Sets the size. Growing adds zeros; what shrinking cuts off is gone, also when the file grows again.
    mutating func truncate(to newSize: Int64) {
        precondition(newSize >= 0)
        if newSize > size {
            extend(to: newSize)
        } else if newSize == 0 {
            self = ExtentMap()
        } else if newSize < size {
            let last = find(newSize - 1)
            let kept = chunks[last.chunk].extents[last.index].clipped(to: 0..<newSize)
            splice(from: last, to: Position(chunk: chunks.count, index: 0), with: [kept])
            size = newSize
        }
    }

    private mutating func extend(to newSize: Int64) {
        replace(size..<newSize, with: Extent(start: size, count: newSize - size, source: .zeros))
    }

    /// Puts `new` in place of `range`, which begins at or before the size.
    private mutating func replace(_ range: Range<Int64>, with new: Extent) {
        // The extents that hold the byte before and the byte after take part, so that neighbours are joined here and nowhere else.
        let end = Position(chunk: chunks.count, index: 0)
        let from = range.lowerBound == 0 ? Position(chunk: 0, index: 0) : find(range.lowerBound - 1)
        var to = range.upperBound >= size ? end : find(range.upperBound)
        var replacement: [Extent] = []
        replacement.reserveCapacity(3)
        if range.lowerBound > 0 {
            let before = chunks[from.chunk].extents[from.index]
            replacement.append(before.clipped(to: before.start..<range.lowerBound))
        }
        Self.append(new, to: &replacement)
        if to != end {
            let after = chunks[to.chunk].extents[to.index]
            Self.append(after.clipped(to: range.upperBound..<after.end), to: &replacement)
            advance(&to)
        }
        splice(from: from, to: to, with: replacement)
        size = max(size, range.upperBound)
    }

    /// Adds an extent that follows the last one, joined to it where it continues it.
    private static func append(_ extent: Extent, to list: inout [Extent]) {
        if let last = list.last, last.isContinued(by: extent) {
            list[list.count - 1].count += extent.count
        } else {
            list.append(extent)
        }
    }

    /// Puts `replacement` (never empty) in place of the extents from `from` up to and without `to`.
    private mutating func splice(from: Position, to: Position, with replacement: [Extent]) {
        guard from.chunk < chunks.count else {
            chunks.append(Chunk(extents: replacement))
            count += replacement.count
            return
        }
        if to.chunk == from.chunk {
            count += replacement.count - (to.index - from.index)
            chunks[from.chunk].extents.replaceSubrange(from.index..<to.index, with: replacement)
        } else {
            count += replacement.count - (chunks[from.chunk].extents.count - from.index)
            chunks[from.chunk].extents.replaceSubrange(from.index..., with: replacement)
            for chunk in chunks[(from.chunk + 1)..<to.chunk] { count -= chunk.extents.count }
            if to.chunk < chunks.count, to.index > 0 {
                count -= to.index
                chunks[to.chunk].extents.removeFirst(to.index)
            }
            chunks.removeSubrange((from.chunk + 1)..<to.chunk)
        }
        balance(from.chunk)
    }

    /// Splits a chunk that grew too large, joins one that grew small to its neighbour.
    private mutating func balance(_ index: Int) {
        let length = chunks[index].extents.count
        if length > Self.chunkLimit {
            let upper = Array(chunks[index].extents[(length / 2)...])
            chunks[index].extents.removeSubrange((length / 2)...)
            chunks.insert(Chunk(extents: upper), at: index + 1)
        } else if length < Self.chunkLimit / 8, chunks.count > 1 {
            let lower = index + 1 < chunks.count ? index : index - 1
            guard chunks[lower].extents.count + chunks[lower + 1].extents.count <= Self.chunkLimit / 2 else { return }
            let moved = chunks.remove(at: lower + 1)
            chunks[lower].extents.append(contentsOf: moved.extents)
        }
    }

    // MARK: Finding

    /// The extent that holds byte `offset`, which lies below the size.
    private func find(_ offset: Int64) -> Position {
        var low = 0
        var high = chunks.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if chunks[middle].start <= offset { low = middle } else { high = middle }
        }
        let chunk = low
        low = 0
        high = chunks[chunk].extents.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if chunks[chunk].extents[middle].start <= offset { low = middle } else { high = middle }
        }
        return Position(chunk: chunk, index: low)
    }

    private func advance(_ position: inout Position) {
        position.index += 1
        if position.index == chunks[position.chunk].extents.count {
            position.chunk += 1
            position.index = 0
        }
    }
}

// MARK: Against an earlier state

extension ExtentMap {
    /// This map once `snapshot`, an earlier state of it, has become the new base: bytes still where the snapshot had them
    /// are the base's, in place; all others stay as they are.
    ///
    /// Bytes of a snapshot are not changed in place (see ``StagingBlock``), so the same place means the same bytes.
    func settled(over snapshot: ExtentMap) -> ExtentMap {
        var result: [Extent] = []
        Self.compare(extents, snapshot.extents) { piece, same in
            result.append(same ? Extent(start: piece.start, count: piece.count, source: .object(piece.start)) : piece)
        }
        return ExtentMap(extents: result)
    }

    /// Puts `source` in place of those bytes of `pieces`, an earlier slice of this map, that are still where they were.
    /// `source` is that of the first byte of `pieces`.
    mutating func replace(unchanged pieces: [Extent], with source: ExtentSource) {
        guard let first = pieces.first, let last = pieces.last else { return }
        var moves: [Range<Int64>] = []
        Self.compare(slice(first.start..<last.end), pieces) { piece, same in
            if same { moves.append(piece.range) }
        }
        for range in moves { write(range, source.advanced(by: range.lowerBound - first.start)) }
    }

    /// Hands out the pieces of `a`, cut where either list has a boundary, with whether `b` has the same bytes there.
    private static func compare(_ a: [Extent], _ b: [Extent], _ body: (Extent, Bool) -> Void) {
        var other = 0
        for extent in a {
            var rest = extent
            while rest.count > 0 {
                while other < b.count, b[other].end <= rest.start { other += 1 }
                guard other < b.count else {
                    body(rest, false)
                    break
                }
                let overlap = rest.range.clamped(to: b[other].range)
                // `b` has no gaps and begins no later than `a` does, so its extent holds the first byte of the rest.
                let piece = rest.clipped(to: overlap)
                body(piece, piece.source.isSame(as: b[other].clipped(to: overlap).source))
                rest = Extent(
                    start: piece.end, count: rest.count - piece.count, source: rest.source.advanced(by: piece.count))
            }
        }
    }
}
