/// Decides what an open file reads, and what it reads ahead.
///
/// The reader on the other side is the kernel, whose own read-ahead turns one program's sequential reads into several
/// requests of 128 KiB to 1 MiB that arrive in any order, and leaves random reads as they are. So the window follows up to
/// ``maximumCursors`` *cursors*, each a run of bytes read so far. A read near a cursor belongs to it. A cursor that began at
/// offset 0, or whose reads joined up, is sequential and has a window ahead: 1 MiB at first, doubled each time half of it was
/// read, up to a maximum or to what the budget granted. Any other read gets exactly what it asks for, in whole pages.
///
/// A value without I/O or locks; ``ReadStream`` holds one for each open file. A read takes well under a microsecond.
struct ReadWindow: Sendable {
    /// What a read needs.
    struct Plan: Sendable, Equatable {
        /// The bytes asked for, in whole pages, clipped to the object.
        var wanted: Range<Int64>
        /// Where bytes of `wanted` are missing, the request for them may take along what is missing of this.
        var fetch: Range<Int64>
        /// To be requested now, ahead of the reader, as far as memory allows.
        var ahead: Range<Int64>?
        /// The size of one request.
        var requestSize: Int64
        /// What the open file still has a use for; nil where that is as before.
        var kept: [Range<Int64>]?
    }

    /// A run of reads that belong together.
    private struct Cursor {
        /// From the first byte read to the last.
        var run: Range<Int64>
        /// Parts of `run` that were skipped and may still be read, oldest first.
        var gaps: [Range<Int64>] = []
        /// Whether it reads ahead.
        var isSequential: Bool
        /// How many reads made the run longer.
        var steps = 0
        /// How far it reads ahead of the run's end.
        var window: Int64
        /// Bytes read since the window last changed.
        var consumed: Int64 = 0
        /// The end of what was asked for.
        var planned: Int64
        /// The number of the last read.
        var lastUse: UInt64
        /// Where the run ended when ``Plan/kept`` was last told.
        var toldAt: Int64
    }

    /// More interleaved sequential readers than this on one open file read without a window.
    static let maximumCursors = 4
    /// A cursor without a read among this many is forgotten, and what it read ahead with it.
    static let forgottenAfter: UInt64 = 64
    /// Reads not yet known as sequential belong together up to this distance.
    private static let neighbourhood: Int64 = 128 << 10
    /// More gaps than this are not remembered.
    private static let maximumGaps = 32

    private let limits: ReadingLimits
    private var cursors: [Cursor] = []
    private var reads: UInt64 = 0
    private var toldWhole = false

    /// A window that has seen no read.
    init(limits: ReadingLimits) { self.limits = limits }

    /// A read of `range`, which is not empty and lies in the object of `size` bytes. Telling the same read twice changes
    /// nothing the second time.
    mutating func read(_ range: Range<Int64>, size: Int64) -> Plan {
        reads += 1
        let wanted = pages(range, size)
        guard size > limits.initialWindow else {
            defer { toldWhole = true }
            return Plan(
                wanted: wanted, fetch: 0..<size, requestSize: max(size, 1), kept: toldWhole ? nil : [0..<size])
        }

        let forgotten = cursors.count
        cursors.removeAll { $0.lastUse + Self.forgottenAfter < reads }
        var changed = forgotten != cursors.count

        var index: Int
        if let nearest = nearest(to: range) {
            index = nearest
            cursors[index].lastUse = reads
            if cursors[index].isSequential { follow(range, at: index) } else { join(range, at: index) }
            let before = cursors.count
            index = absorb(into: index)
            if cursors.count != before { changed = true }
        } else {
            if cursors.count == Self.maximumCursors { cursors.remove(at: leastUseful()) }
            let isSequential = range.lowerBound == 0
            cursors.append(
                Cursor(
                    run: range, isSequential: isSequential, window: firstWindow(for: range), planned: range.upperBound,
                    lastUse: reads, toldAt: range.lowerBound))
            index = cursors.endIndex - 1
            changed = true
        }
        return plan(wanted, at: index, size: size, changed: changed)
    }

    /// The first window, before any read: as if offset 0 had been read.
    mutating func prefetch(size: Int64) -> Plan? {
        guard size > 0, reads == 0 else { return nil }
        return read(0..<min(size, limits.pageSize), size: size)
    }

    /// The memory for reading ahead ended at `offset`: the cursor it belongs to makes do with that, and grows again as it reads.
    mutating func granted(upTo offset: Int64) {
        for index in cursors.indices
        where cursors[index].isSequential && cursors[index].run.lowerBound <= offset && offset < cursors[index].planned
        {
            let end = cursors[index].run.upperBound
            cursors[index].planned = max(end, offset)
            cursors[index].window = max(limits.initialWindow, offset - end)
            cursors[index].consumed = 0
        }
    }

    // MARK: Cursors

    private func nearest(to range: Range<Int64>) -> Int? {
        var best: (index: Int, distance: Int64)?
        for (index, cursor) in cursors.enumerated() {
            let distance = abs(range.lowerBound - cursor.run.upperBound)
            let isNear: Bool
            if cursor.isSequential {
                let ahead = max(cursor.planned - cursor.run.upperBound, min(cursor.window, limits.disorder))
                isNear =
                    range.lowerBound <= cursor.run.upperBound + ahead
                    && range.lowerBound >= max(cursor.run.lowerBound, cursor.run.upperBound - limits.disorder)
            } else {
                isNear =
                    range.lowerBound <= cursor.run.upperBound + Self.neighbourhood
                    && range.upperBound >= cursor.run.lowerBound - Self.neighbourhood
            }
            if isNear, distance < best?.distance ?? .max { best = (index, distance) }
        }
        return best?.index
    }

    private func leastUseful() -> Int {
        let candidates = cursors.indices.filter { !cursors[$0].isSequential }
        return (candidates.isEmpty ? Array(cursors.indices) : candidates).min {
            cursors[$0].lastUse < cursors[$1].lastUse
        }!
    }

    /// A read of a sequential cursor.
    private mutating func follow(_ range: Range<Int64>, at index: Int) {
        let end = cursors[index].run.upperBound
        if range.lowerBound < end {
            fillGaps(range, at: index)
        } else if range.lowerBound > end, cursors[index].gaps.count < Self.maximumGaps {
            cursors[index].gaps.append(end..<range.lowerBound)
        }
        let advance = range.upperBound - end
        guard advance > 0 else { return }
        cursors[index].run = cursors[index].run.lowerBound..<range.upperBound
        cursors[index].gaps.removeAll { $0.lowerBound < range.upperBound - limits.disorder }
        // What was skipped was not read: a skip alone does not make the window grow far.
        cursors[index].consumed += min(advance, max(Int64(range.count), limits.initialWindow))
        if cursors[index].consumed >= cursors[index].window / 2 {
            cursors[index].window = min(limits.maximumWindow, cursors[index].window * 2)
            cursors[index].consumed = 0
        }
    }

    private mutating func fillGaps(_ range: Range<Int64>, at index: Int) {
        guard !cursors[index].gaps.isEmpty else { return }
        var left: [Range<Int64>] = []
        for gap in cursors[index].gaps {
            guard gap.overlaps(range) else {
                left.append(gap)
                continue
            }
            if gap.lowerBound < range.lowerBound { left.append(gap.lowerBound..<range.lowerBound) }
            if range.upperBound < gap.upperBound { left.append(range.upperBound..<gap.upperBound) }
        }
        cursors[index].gaps = left
    }

    /// A read near a cursor that is not sequential yet: it becomes so when its reads join up.
    private mutating func join(_ range: Range<Int64>, at index: Int) {
        let run = cursors[index].run
        let joined = min(run.lowerBound, range.lowerBound)..<max(run.upperBound, range.upperBound)
        guard joined != run else { return }
        cursors[index].run = joined
        cursors[index].steps += 1
        if cursors[index].steps >= 2 || joined.count >= Self.neighbourhood {
            cursors[index].isSequential = true
            cursors[index].window = firstWindow(for: range)
            cursors[index].planned = joined.upperBound
        }
    }

    /// Joins a sequential cursor with those whose runs overlap its own and end near it: parts of one stream that looked apart
    /// when their reads arrived out of order. Returns where the cursor is now.
    private mutating func absorb(into index: Int) -> Int {
        var cursor = cursors[index]
        guard cursor.isSequential, cursors.count > 1 else { return index }
        var position = 0
        var at = index
        cursors.removeAll { other in
            defer { position += 1 }
            // A second pass over what was read before overlaps as well, but far from the end.
            guard position != index, cursor.run.overlaps(other.run),
                abs(cursor.run.upperBound - other.run.upperBound) <= limits.disorder
            else { return false }
            cursor.run =
                min(cursor.run.lowerBound, other.run.lowerBound)..<max(cursor.run.upperBound, other.run.upperBound)
            cursor.window = max(cursor.window, other.window)
            cursor.planned = max(cursor.planned, other.planned)
            cursor.gaps = (cursor.gaps + other.gaps).sorted { $0.lowerBound < $1.lowerBound }
            if position < index { at -= 1 }
            return true
        }
        cursors[at] = cursor
        return at
    }

    private func firstWindow(for range: Range<Int64>) -> Int64 {
        min(limits.maximumWindow, max(limits.initialWindow, 2 * Int64(range.count)))
    }

    // MARK: Plans

    private mutating func plan(_ wanted: Range<Int64>, at index: Int, size: Int64, changed: Bool) -> Plan {
        guard cursors[index].isSequential else {
            return Plan(
                wanted: wanted, fetch: wanted, requestSize: max(limits.maximumRequest, Int64(wanted.count)),
                kept: kept(size))
        }
        let window = cursors[index].window
        let end = cursors[index].run.upperBound
        // A quarter of the window: enough requests at once to fill the link, not so many that each is small.
        let requestSize = max(
            min(limits.maximumRequest, max(limits.initialWindow, window / 4)), Int64(wanted.count))
        var plan = Plan(wanted: wanted, fetch: wanted, requestSize: requestSize)
        if wanted.upperBound >= end {
            plan.fetch = wanted.lowerBound..<max(wanted.upperBound, min(size, wanted.lowerBound + requestSize))
            cursors[index].planned = max(cursors[index].planned, plan.fetch.upperBound)
        }

        let planned = cursors[index].planned
        let target = min(size, end + window)
        if target > planned {
            let upper = target == size ? size : planned + (target - planned) / requestSize * requestSize
            if upper > planned {
                plan.ahead = min(end, planned)..<upper
                cursors[index].planned = upper
            }
        }
        if changed || plan.ahead != nil || end - cursors[index].toldAt >= limits.slabSize {
            cursors[index].toldAt = end
            plan.kept = kept(size)
        }
        return plan
    }

    private func kept(_ size: Int64) -> [Range<Int64>] {
        cursors.map { cursor in
            guard cursor.isSequential else { return pages(cursor.run, size) }
            let behind = min(cursor.run.upperBound - limits.keptBehind, cursor.gaps.first?.lowerBound ?? .max)
            return max(0, behind)..<max(pages(cursor.run, size).upperBound, cursor.planned)
        }
    }

    private func pages(_ range: Range<Int64>, _ size: Int64) -> Range<Int64> {
        let page = limits.pageSize
        let (rounded, overflow) = (range.upperBound - 1).addingReportingOverflow(page)
        let upper = overflow ? size : min(size, rounded / page * page)
        return range.lowerBound / page * page..<max(upper, range.upperBound)
    }
}
