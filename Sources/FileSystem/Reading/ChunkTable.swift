/// The bytes of one object version that are in memory or on their way, as *chunks*, and the reads that wait for them.
///
/// A chunk is a contiguous range filled by one GET from its beginning to its end. Chunks do not overlap: that is what keeps two
/// requests from fetching the same byte. A read waits until its whole range is in memory, in one chunk or in several, and
/// then takes all of it at once; as long as it waits, what it waits for is not dropped, with one exception. A chunk may
/// itself wait for memory. A read that waits for such a chunk holds on to nothing, or reads could wait in a circle for
/// each other's memory.
///
/// A value without I/O or locks, held by ``ObjectReader``. What its methods return is for the caller to do once it has let
/// go of its lock: resume reads, cancel requests, free slabs.
struct ChunkTable: Sendable {
    /// The number of a chunk, never used twice.
    typealias ChunkID = UInt64
    /// The number of a waiting read.
    typealias WaiterID = UInt64

    private struct Chunk {
        let id: ChunkID
        /// The first byte held; slabs are dropped from the front when they have been read.
        var base: Int64
        let end: Int64
        /// Bytes before this have landed.
        var filled: Int64
        /// Empty as long as the chunk waits for memory.
        var slabs: [ReservedSlab]
        var isReserving: Bool
        let slabSize: Int64

        var range: Range<Int64> { base..<end }
        var isComplete: Bool { filled == end }
    }

    private struct Waiter {
        let id: WaiterID
        let range: Range<Int64>
    }

    /// Whether a range can be read.
    enum Availability {
        /// All of it is here.
        case here([ReadReply.Segment])
        /// All that is not here is on its way.
        case underWay
        /// Some of it was never asked for, or is gone.
        case missing
    }

    /// What became of a waiting read.
    struct Resolved {
        var waiter: WaiterID
        /// The bytes; nil where some are gone and must be asked for again.
        var segments: [ReadReply.Segment]?
    }

    /// What was dropped.
    struct Dropped {
        /// Chunks whose requests are to be cancelled.
        var chunks: [ChunkID] = []
        /// To be freed.
        var slabs: [ReservedSlab] = []
        /// The lowest offset of unread bytes that were dropped for want of memory.
        var lowest: Int64?
        /// Bytes in `slabs`.
        var size: Int { slabs.reduce(0) { $0 + $1.capacity } }
    }

    private var chunks: [Chunk] = []
    private var waiters: [Waiter] = []
    private var nextID: UInt64 = 0

    /// Whether nothing is here or under way.
    var isEmpty: Bool { chunks.isEmpty }

    // MARK: Looking

    /// Whether a range can be read, and its bytes if so. Binary search, no copy.
    func availability(of range: Range<Int64>) -> Availability {
        var index = firstChunk(endingAfter: range.lowerBound)
        var position = range.lowerBound
        var isHere = true
        while position < range.upperBound {
            guard index < chunks.count, chunks[index].base <= position else { return .missing }
            if chunks[index].filled < min(chunks[index].end, range.upperBound) { isHere = false }
            position = chunks[index].end
            index += 1
        }
        return isHere ? .here(segments(of: range)) : .underWay
    }

    /// The first part of `range` that no chunk has; nil where there is none.
    func firstGap(in range: Range<Int64>) -> Range<Int64>? {
        var index = firstChunk(endingAfter: range.lowerBound)
        var position = range.lowerBound
        while position < range.upperBound {
            guard index < chunks.count, chunks[index].base <= position else {
                let next = index < chunks.count ? chunks[index].base : range.upperBound
                return position..<min(next, range.upperBound)
            }
            position = chunks[index].end
            index += 1
        }
        return nil
    }

    /// The first part of `wanted` that no chunk has, made longer on both sides by what no chunk has of `fetch`.
    func firstGap(in wanted: Range<Int64>, within fetch: Range<Int64>) -> Range<Int64>? {
        guard let gap = firstGap(in: wanted) else { return nil }
        let after = firstChunk(endingAfter: gap.lowerBound)
        let lower = after > 0 ? chunks[after - 1].end : 0
        let upper = after < chunks.count ? chunks[after].base : Int64.max
        return min(gap.lowerBound, max(lower, fetch.lowerBound))..<max(gap.upperBound, min(upper, fetch.upperBound))
    }

    private func segments(of range: Range<Int64>) -> [ReadReply.Segment] {
        var segments: [ReadReply.Segment] = []
        var index = firstChunk(endingAfter: range.lowerBound)
        var position = range.lowerBound
        while position < range.upperBound {
            let chunk = chunks[index]
            let end = min(chunk.end, range.upperBound)
            while position < end {
                let (slab, offset) = (position - chunk.base).quotientAndRemainder(dividingBy: chunk.slabSize)
                let owner = chunk.slabs[Int(slab)]
                let count = min(Int64(owner.capacity) - offset, end - position)
                segments.append(
                    ReadReply.Segment(
                        bytes: UnsafeRawBufferPointer(rebasing: owner.bytes[Int(offset)..<Int(offset + count)]),
                        owner: owner))
                position += count
            }
            index += 1
        }
        return segments
    }

    private func firstChunk(endingAfter offset: Int64) -> Int {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].end <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Filling

    /// Adds a chunk; nil where it would overlap another. Without `slabs` it waits for memory.
    mutating func insert(_ range: Range<Int64>, slabs: [ReservedSlab]?, slabSize: Int64) -> ChunkID? {
        let index = firstChunk(endingAfter: range.lowerBound)
        guard index == chunks.count || chunks[index].base >= range.upperBound else { return nil }
        nextID += 1
        chunks.insert(
            Chunk(
                id: nextID, base: range.lowerBound, end: range.upperBound, filled: range.lowerBound, slabs: slabs ?? [],
                isReserving: slabs == nil, slabSize: slabSize), at: index)
        return nextID
    }

    /// Gives a chunk that waited its memory; false where the chunk is gone.
    mutating func provide(_ id: ChunkID, slabs: [ReservedSlab]) -> Bool {
        guard let index = chunks.firstIndex(where: { $0.id == id }) else { return false }
        chunks[index].slabs = slabs
        chunks[index].isReserving = false
        return true
    }

    /// Where the byte at `position` of a chunk goes: a slab, and the offset in it. Nil where the chunk is gone or full.
    func destination(_ id: ChunkID, at position: Int64) -> (slab: ReservedSlab, offset: Int)? {
        guard let chunk = chunks.first(where: { $0.id == id }), !chunk.isReserving,
            (chunk.base..<chunk.end).contains(position)
        else { return nil }
        let (slab, offset) = (position - chunk.base).quotientAndRemainder(dividingBy: chunk.slabSize)
        return (chunk.slabs[Int(slab)], Int(offset))
    }

    /// The bytes of a chunk up to `position` have landed. Returns the reads that have all they want.
    mutating func advance(_ id: ChunkID, to position: Int64) -> [Resolved] {
        guard let index = chunks.firstIndex(where: { $0.id == id }) else { return [] }
        chunks[index].filled = max(chunks[index].filled, position)
        guard !waiters.isEmpty else { return [] }
        let chunk = chunks[index]
        return resolve { $0.overlaps(chunk.range) && chunk.filled >= min($0.upperBound, chunk.end) }
    }

    /// Whether a chunk is there.
    func contains(_ id: ChunkID) -> Bool { chunks.contains { $0.id == id } }

    /// Whether a chunk is there and full.
    func isComplete(_ id: ChunkID) -> Bool { chunks.first { $0.id == id }?.isComplete ?? false }

    /// Removes a chunk whose request failed. Returns its slabs, and the reads that waited for it; nil where it was gone.
    mutating func fail(_ id: ChunkID) -> (slabs: [ReservedSlab], waiters: [WaiterID])? {
        guard let index = chunks.firstIndex(where: { $0.id == id }) else { return nil }
        let chunk = chunks.remove(at: index)
        let failed = waiters.filter { $0.range.overlaps(chunk.range) }
        waiters.removeAll { $0.range.overlaps(chunk.range) }
        return (chunk.slabs, failed.map(\.id))
    }

    // MARK: Waiting

    /// A read waits for `range`, all of which is here or under way.
    mutating func wait(_ id: WaiterID, for range: Range<Int64>) { waiters.append(Waiter(id: id, range: range)) }

    /// A read gave up. Drops the chunks under way that it was the last to wait for and that none of `kept` has a use for.
    /// Nil where the read does not wait any more.
    mutating func abandon(_ id: WaiterID, kept: [Range<Int64>]) -> Dropped? {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
        let range = waiters.remove(at: index).range
        var dropped = Dropped()
        let waiters = waiters
        remove(into: &dropped) { chunk in
            chunk.range.overlaps(range) && !chunk.isComplete && !kept.contains { $0.overlaps(chunk.range) }
                && !waiters.contains { $0.range.overlaps(chunk.range) }
        }
        return dropped
    }

    private mutating func resolve(_ mayBeResolved: (Range<Int64>) -> Bool) -> [Resolved] {
        var resolved: [Resolved] = []
        for waiter in waiters where mayBeResolved(waiter.range) {
            switch availability(of: waiter.range) {
            case .here(let segments): resolved.append(Resolved(waiter: waiter.id, segments: segments))
            case .missing: resolved.append(Resolved(waiter: waiter.id, segments: nil))
            case .underWay: break
            }
        }
        if !resolved.isEmpty {
            waiters.removeAll { waiter in resolved.contains { $0.waiter == waiter.id } }
        }
        return resolved
    }

    // MARK: Dropping

    /// Drops what neither `kept` nor a waiting read has a use for: whole chunks, and slabs at the front of chunks. A chunk
    /// under way with less than `tail` bytes to come is left to finish.
    mutating func trim(to kept: [Range<Int64>], tail: Int64) -> Dropped {
        var dropped = Dropped()
        let useful = kept + waiters.map(\.range)
        remove(into: &dropped) { chunk in
            (chunk.isComplete || chunk.end - chunk.filled > tail) && !useful.contains { $0.overlaps(chunk.range) }
        }
        for index in chunks.indices {
            let chunk = chunks[index]
            let lowest = useful.reduce(Int64.max) { $1.overlaps(chunk.range) ? min($0, $1.lowerBound) : $0 }
            guard lowest != .max else { continue }
            let count = Int((min(lowest, chunk.filled) - chunk.base) / chunk.slabSize)
            guard count > 0, count < chunk.slabs.count else { continue }
            dropped.slabs += chunk.slabs[..<count]
            chunks[index].slabs.removeFirst(count)
            chunks[index].base += Int64(count) * chunk.slabSize
        }
        return dropped
    }

    /// Memory is short: drops chunks until `wanted` bytes are free, those farthest ahead first, but none that a read waits
    /// for unless it waits for memory itself. Returns the reads that have to ask again.
    mutating func reclaim(_ wanted: Int) -> (dropped: Dropped, resolved: [Resolved]) {
        let pinned = waiters.filter { waiter in
            !chunks.contains { $0.isReserving && $0.range.overlaps(waiter.range) }
        }
        var dropped = Dropped()
        var size = 0
        for index in chunks.indices.reversed() where size < wanted {
            let chunk = chunks[index]
            guard !chunk.isReserving, !pinned.contains(where: { $0.range.overlaps(chunk.range) }) else { continue }
            size += chunk.slabs.reduce(0) { $0 + $1.capacity }
            if !chunk.isComplete { dropped.chunks.append(chunk.id) }
            dropped.slabs += chunk.slabs
            dropped.lowest = chunk.base
            chunks.remove(at: index)
        }
        return (dropped, dropped.slabs.isEmpty ? [] : resolve { _ in true })
    }

    /// Drops everything. Returns the reads that waited.
    mutating func removeAll() -> (dropped: Dropped, waiters: [WaiterID]) {
        var dropped = Dropped()
        remove(into: &dropped) { _ in true }
        defer { waiters = [] }
        return (dropped, waiters.map(\.id))
    }

    private mutating func remove(into dropped: inout Dropped, where isUseless: (Chunk) -> Bool) {
        chunks.removeAll { chunk in
            guard isUseless(chunk) else { return false }
            if !chunk.isComplete { dropped.chunks.append(chunk.id) }
            dropped.slabs += chunk.slabs
            return true
        }
    }
}
