import ObjectStore
import Synchronization
import SystemPackage

/// The checksums of what was written to a place that only grows: runs of bytes, each with the CRC32C of all of it.
///
/// Problem: a disk may give back other bytes than it took, and what is read for an upload would then be summed as it is, sent,
/// and be taken by the store for right.
///
/// Design: a run begins where a write begins and has at most 16 KiB, so that a small read need not check much; a write that
/// goes on where a run ends makes that run longer, so that small writes cost no sum each. Bytes are written once, so a
/// run's bytes never change while it is there. A pure value: it takes bytes and gives runs.
struct WrittenSums: Sendable {
    /// Bytes with a common sum.
    struct Run: Sendable, Equatable {
        /// The first byte.
        var start: Int
        /// How many, at least 1.
        var count: Int
        /// The sum of all of them.
        var sum: CRC32C
        /// The bytes' places.
        var range: Range<Int> { start..<start + count }
    }

    /// The most bytes of a run.
    static let runLimit = 16 << 10

    /// In order, without overlap.
    private(set) var runs: [Run] = []

    /// Notes bytes that have been written at `offset`, where none were before.
    mutating func note(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        var done = 0
        var place = index(after: offset)
        if place > 0, !bytes.isEmpty, runs[place - 1].range.upperBound == offset, runs[place - 1].count < Self.runLimit
        {
            done = min(Self.runLimit - runs[place - 1].count, bytes.count)
            runs[place - 1].sum.update(UnsafeRawBufferPointer(rebasing: bytes[..<done]))
            runs[place - 1].count += done
        }
        while done < bytes.count {
            let count = min(Self.runLimit, bytes.count - done)
            var sum = CRC32C()
            sum.update(UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
            runs.insert(Run(start: offset + done, count: count, sum: sum), at: place)
            place += 1
            done += count
        }
    }

    /// The runs that hold `range`, in order; nil where some of it was never written.
    func covering(_ range: Range<Int>) -> ArraySlice<Run>? {
        guard !range.isEmpty else { return [] }
        let first = index(after: range.lowerBound) - 1
        guard first >= 0 else { return nil }
        var end = runs[first].start
        var last = first
        while last < runs.count, end < range.upperBound {
            guard runs[last].start == end else { return nil }
            end = runs[last].range.upperBound
            last += 1
        }
        guard end >= range.upperBound, runs[first].range.contains(range.lowerBound) else { return nil }
        return runs[first..<last]
    }

    /// The index of the first run that begins after `offset`.
    private func index(after offset: Int) -> Int {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].start <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The sums of one block of the spill file, shared by its writers and readers. The lock is held for moments, never over the disk.
final class SpillSums: Sendable {
    private let sums = Mutex(WrittenSums())

    /// Notes bytes that have been written at `offset` of the block.
    func note(_ bytes: UnsafeRawBufferPointer, at offset: Int) { sums.withLock { $0.note(bytes, at: offset) } }

    /// Reads `range` of the block that begins at `start` of the file, whole runs at a time, and compares each with its sum.
    func read(_ range: Range<Int>, of file: SpillFile, from start: Int64, into buffer: UnsafeMutableRawBufferPointer)
        throws(SpillError)
    {
        guard let runs = sums.withLock({ $0.covering(range) }) else {
            throw SpillError(errno: .ioError, isDamaged: true)
        }
        guard let first = runs.first, let last = runs.last else { return }
        // Whole runs inside the range go to the caller's memory; the ends that stick out go through memory of their own.
        let inner = runs.drop { $0.start < range.lowerBound }.prefix { $0.range.upperBound <= range.upperBound }
        if let begin = inner.first?.start, let end = inner.last?.range.upperBound {
            let target = UnsafeMutableRawBufferPointer(
                rebasing: buffer[begin - range.lowerBound..<end - range.lowerBound])
            try file.read(at: start + Int64(begin), into: target)
            for run in inner {
                try Self.check(
                    run, UnsafeRawBufferPointer(rebasing: target[run.start - begin..<run.range.upperBound - begin]))
            }
        }
        for run in first == last ? [first] : [first, last]
        where run.start < range.lowerBound || run.range.upperBound > range.upperBound {
            try Self.readPart(run, range, file, start, buffer)
        }
    }

    /// Reads a run that sticks out of the range: 1 pread(2) and a copy of what is wanted of it.
    private static func readPart(
        _ run: WrittenSums.Run, _ range: Range<Int>, _ file: SpillFile, _ start: Int64,
        _ buffer: UnsafeMutableRawBufferPointer
    ) throws(SpillError) {
        let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: run.count, alignment: 64)
        defer { whole.deallocate() }
        try file.read(at: start + Int64(run.start), into: whole)
        try check(run, UnsafeRawBufferPointer(whole))
        let wanted = run.range.clamped(to: range)
        UnsafeMutableRawBufferPointer(rebasing: buffer[(wanted.lowerBound - range.lowerBound)...]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: whole[wanted.lowerBound - run.start..<wanted.upperBound - run.start])
        )
    }

    private static func check(_ run: WrittenSums.Run, _ bytes: UnsafeRawBufferPointer) throws(SpillError) {
        var sum = CRC32C()
        sum.update(bytes)
        guard sum == run.sum else { throw SpillError(errno: .ioError, isDamaged: true) }
    }
}
