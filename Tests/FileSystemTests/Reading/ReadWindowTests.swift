import Testing

@testable import FileSystem

private let kib: Int64 = 1 << 10
private let mib: Int64 = 1 << 20

/// Follows a window's plans the way a reader does, and keeps account of what it would fetch.
private struct Follower {
    var window = ReadWindow(limits: ReadingLimits())
    let size: Int64
    var fetched: [Range<Int64>] = []
    var requests: [Range<Int64>] = []
    var last: ReadWindow.Plan?

    init(size: Int64) { self.size = size }

    private func missing(in range: Range<Int64>) -> [Range<Int64>] {
        var missing = [range]
        for have in fetched {
            missing = missing.flatMap { gap -> [Range<Int64>] in
                guard gap.overlaps(have) else { return [gap] }
                return [
                    gap.lowerBound..<max(gap.lowerBound, have.lowerBound),
                    min(gap.upperBound, have.upperBound)..<gap.upperBound,
                ]
                .filter { !$0.isEmpty }
            }
        }
        return missing
    }

    private mutating func request(_ range: Range<Int64>, _ size: Int64) {
        for gap in missing(in: range) {
            var position = gap.lowerBound
            while position < gap.upperBound {
                let piece = position..<min(gap.upperBound, position + size)
                requests.append(piece)
                if let index = fetched.firstIndex(where: { $0.upperBound == piece.lowerBound }) {
                    fetched[index] = fetched[index].lowerBound..<piece.upperBound
                } else {
                    fetched.append(piece)
                }
                position = piece.upperBound
            }
        }
    }

    /// Reads; returns whether it had to wait for a request of its own.
    @discardableResult
    mutating func read(_ offset: Int64, _ length: Int64) -> Bool {
        let plan = window.read(offset..<min(size, offset + length), size: size)
        last = plan
        let isMiss = !missing(in: plan.wanted).isEmpty
        if isMiss { request(missing(in: plan.wanted)[0].lowerBound..<plan.fetch.upperBound, plan.requestSize) }
        if let ahead = plan.ahead { request(ahead, plan.requestSize) }
        return isMiss
    }
}

@Suite struct ReadWindowTests {
    @Test func aSmallObjectIsFetchedWhole() {
        for offset in [0, 5000, mib - 1] {
            var window = ReadWindow(limits: ReadingLimits())
            let plan = window.read(offset..<offset + 1, size: mib)
            #expect(plan.fetch == 0..<mib)
            #expect(plan.kept == [0..<mib])
            #expect(plan.ahead == nil)
        }
        var window = ReadWindow(limits: ReadingLimits())
        let plan = window.read(0..<1, size: 1)
        #expect(plan.wanted == 0..<1)
        #expect(plan.fetch == 0..<1)
    }

    @Test func theFirstWindowIsOneMebibyte() {
        var window = ReadWindow(limits: ReadingLimits())
        let plan = window.read(0..<100, size: 1 << 40)
        #expect(plan.wanted == 0..<4096)
        #expect(plan.fetch == 0..<mib)
        #expect(plan.ahead == nil)
    }

    @Test(arguments: [4 * kib, 128 * kib, mib, 100_000])
    func sequentialReads(length: Int64) {
        let size = 600 * mib + 12345
        var follower = Follower(size: size)
        var misses = 0
        var offset: Int64 = 0
        var farthest: Int64 = 0
        // In 4 KiB steps 600 MiB are many; the window is at its largest by 150.
        let end = length < 64 * kib ? 160 * mib : size
        while offset < end {
            if follower.read(offset, length) { misses += 1 }
            offset += length
            farthest = max(farthest, follower.requests.last!.upperBound - offset)
            #expect(follower.requests.last!.upperBound <= size)
        }
        // Only the first read has to wait for a request of its own: all others were asked for before.
        #expect(misses == 1)
        #expect(follower.requests.allSatisfy { $0.count <= 8 * mib })
        #expect(follower.requests.contains { $0.count == 8 * mib })
        #expect(farthest > 112 * mib)
        #expect(farthest <= 129 * mib)
        // No byte twice, and in order.
        #expect(zip(follower.requests, follower.requests.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        if end == size { #expect(follower.requests.last!.upperBound == size) }
        #expect(follower.last!.kept?.count ?? 1 == 1)
    }

    @Test func theWindowIsFilledBeforeItRunsDry() {
        var follower = Follower(size: 1 << 30)
        var offset: Int64 = 0
        while offset < 400 * mib {
            follower.read(offset, mib)
            offset += mib
            // Once grown, there are always at least 15 requests' worth ahead.
            if offset > 300 * mib { #expect(follower.requests.last!.upperBound - offset >= 119 * mib) }
        }
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func theKernelsReadAheadArrivesInAnyOrder(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for (length, inFlight) in [(128 * kib, 8), (mib, 8), (mib, 14)] {
            var follower = Follower(size: 512 * mib)
            var lastTold = 0
            var misses = 0
            var offset: Int64 = 0
            while offset < 512 * mib {
                let batch = (0..<Int64(inFlight)).map { offset + $0 * length }.filter { $0 < 512 * mib }
                for start in batch.shuffled(using: &random) {
                    if follower.read(start, length) { misses += 1 }
                    lastTold = follower.last?.kept?.count ?? lastTold
                }
                offset += Int64(inFlight) * length
            }
            // The first batch may look random until its reads join up; then it is one stream.
            #expect(lastTold == 1, "seed \(seed)")
            #expect(misses <= inFlight + 2, "seed \(seed)")
            let fetched = follower.requests.reduce(0) { $0 + $1.count }
            #expect(fetched == Int(512 * mib), "seed \(seed)")
        }
    }

    @Test func whatWasSkippedIsKeptForLateReads() {
        var window = ReadWindow(limits: ReadingLimits())
        _ = window.read(0..<mib, size: 1 << 30)
        _ = window.read(mib..<2 * mib, size: 1 << 30)
        _ = window.read(2 * mib..<3 * mib, size: 1 << 30)
        // 3 to 4 MiB arrives late, after those up to 9 MiB.
        var kept: [Range<Int64>]?
        for index in Int64(4)..<9 { kept = window.read(index * mib..<(index + 1) * mib, size: 1 << 30).kept ?? kept }
        #expect(kept?.first?.lowerBound ?? .max <= 3 * mib)
        _ = window.read(3 * mib..<4 * mib, size: 1 << 30)
        for index in Int64(9)..<12 { kept = window.read(index * mib..<(index + 1) * mib, size: 1 << 30).kept ?? kept }
        #expect(kept?.first?.lowerBound == 10 * mib)
    }

    @Test func randomReadsFetchWhatTheyAskForInPages() {
        var random = SeededRandom(seed: 0x5EED_0005)
        var follower = Follower(size: 64 << 30)
        for _ in 0..<2000 {
            let offset = Int64.random(in: mib..<(64 << 30) - mib, using: &random)
            let length = Int64.random(in: 1...256 * kib, using: &random)
            let plan = follower.window.read(offset..<offset + length, size: 64 << 30)
            #expect(plan.wanted.lowerBound == offset / 4096 * 4096)
            #expect(plan.wanted.upperBound == (offset + length + 4095) / 4096 * 4096)
            #expect(plan.fetch == plan.wanted)
            #expect(plan.ahead == nil)
            #expect(plan.requestSize >= plan.wanted.count)
            #expect(plan.kept!.count <= ReadWindow.maximumCursors)
        }
    }

    @Test func aSeekThatIsReadOnBecomesSequential() {
        var follower = Follower(size: 1 << 30)
        let start = 500 * mib
        follower.read(start, 16 * kib)
        #expect(follower.last?.fetch == start..<start + 16 * kib)
        follower.read(start + 16 * kib, 16 * kib)
        #expect(follower.last?.fetch == start + 16 * kib..<start + 32 * kib)
        follower.read(start + 32 * kib, 16 * kib)
        #expect(follower.last!.fetch.upperBound - start >= mib)
        var misses = 0
        for index in Int64(3)..<2000 where follower.read(start + index * 16 * kib, 16 * kib) { misses += 1 }
        #expect(misses == 0)
    }

    @Test func aLookElsewhereDoesNotEndTheStream() {
        var follower = Follower(size: 1 << 30)
        for index in Int64(0)..<64 { follower.read(index * mib, mib) }
        let planned = follower.requests.last!.upperBound
        follower.read((1 << 30) - 5000, 5000)
        #expect(follower.last!.fetch.count <= 8192)
        #expect(follower.last!.kept!.contains { $0.contains(planned - 1) })
        let isMiss = follower.read(64 * mib, mib)
        #expect(!isMiss)
    }

    @Test func interleavedStreamsEachReadAhead() {
        var follower = Follower(size: 4 << 30)
        var misses = 0
        for index in Int64(0)..<500 {
            for stream in Int64(0)..<3 where follower.read(stream << 30 + index * 128 * kib, 128 * kib) { misses += 1 }
        }
        #expect(misses <= 9)
    }

    @Test func aStreamThatIsNotReadIsForgotten() {
        var window = ReadWindow(limits: ReadingLimits())
        for index in Int64(0)..<32 { _ = window.read(index * mib..<(index + 1) * mib, size: 64 << 30) }
        var kept: [Range<Int64>] = []
        for index in Int64(1)...70 { kept = window.read(index << 29..<index << 29 + 1, size: 64 << 30).kept ?? kept }
        #expect(!kept.contains { $0.contains(32 * mib) })
    }

    @Test func shortSkipsStayInTheStream() {
        var follower = Follower(size: 1 << 30)
        var offset: Int64 = 0
        var misses = 0
        // Half of each mebibyte is read, the other half skipped.
        while offset < 200 * mib {
            if follower.read(offset, 512 * kib) { misses += 1 }
            offset += mib
        }
        #expect(misses <= 2)
        #expect(follower.last!.kept?.count ?? 1 == 1)
    }

    @Test func readingBackIsServedAndFetchesNoMore() {
        var follower = Follower(size: 1 << 30)
        for index in Int64(0)..<20 { follower.read(index * mib, mib) }
        let count = follower.requests.count
        for index in (Int64(10)..<19).reversed() {
            let isMiss = follower.read(index * mib, mib)
            #expect(!isMiss)
        }
        #expect(follower.requests.count == count)
    }

    @Test func theSameReadTwiceChangesNothing() {
        var random = SeededRandom(seed: 0x5EED_0006)
        var once = ReadWindow(limits: ReadingLimits())
        var twice = ReadWindow(limits: ReadingLimits())
        var offset: Int64 = 0
        for _ in 0..<3000 {
            if Int.random(in: 0..<20, using: &random) == 0 { offset = Int64.random(in: 0..<900 * mib, using: &random) }
            let length = Int64.random(in: 1...mib, using: &random)
            let a = once.read(offset..<offset + length, size: 1 << 30)
            let b = twice.read(offset..<offset + length, size: 1 << 30)
            _ = twice.read(offset..<offset + length, size: 1 << 30)
            #expect(a.wanted == b.wanted)
            offset += length
            if offset >= 900 * mib { offset = 0 }
        }
        var window = ReadWindow(limits: ReadingLimits())
        for index in Int64(0)..<50 { _ = window.read(index * mib..<(index + 1) * mib, size: 1 << 30) }
        let again = window.read(49 * mib..<50 * mib, size: 1 << 30)
        #expect(again.ahead == nil)
    }

    @Test func aShortBudgetMakesTheWindowSmallAndItGrowsAgain() {
        var window = ReadWindow(limits: ReadingLimits())
        var offset: Int64 = 0
        func next() -> ReadWindow.Plan {
            defer { offset += mib }
            return window.read(offset..<offset + mib, size: 4 << 30)
        }
        for _ in 0..<300 { _ = next() }
        // Memory ends 3 MiB ahead of the reader.
        window.granted(upTo: offset + 3 * mib)
        let plan = next()
        if let ahead = plan.ahead { #expect(ahead.upperBound <= offset + 8 * mib) }
        // And from here on nothing at all is granted.
        for _ in 0..<100 {
            let plan = next()
            if plan.ahead != nil { window.granted(upTo: offset) }
            #expect(plan.ahead?.upperBound ?? 0 <= offset + 6 * mib)
        }
        var farthest: Int64 = 0
        for _ in 0..<400 { farthest = max(farthest, next().ahead.map { $0.upperBound - offset } ?? 0) }
        #expect(farthest > 100 * mib)
    }

    @Test func prefetchIsTheFirstRead() {
        var window = ReadWindow(limits: ReadingLimits())
        let ofNothing = window.prefetch(size: 0)
        let first = window.prefetch(size: 1 << 30)
        let second = window.prefetch(size: 1 << 30)
        let read = window.read(0..<128 * kib, size: 1 << 30)
        #expect(ofNothing == nil)
        #expect(first?.fetch == 0..<mib)
        #expect(second == nil)
        #expect(read.fetch == 0..<mib)
    }

    @Test func extremes() {
        var window = ReadWindow(limits: ReadingLimits())
        let plan = window.read(Int64.max - 10..<Int64.max, size: .max)
        #expect(plan.wanted.upperBound == .max)
        #expect(plan.fetch == plan.wanted)
        var random = SeededRandom(seed: 0x5EED_0007)
        for _ in 0..<20_000 {
            let size = Int64.random(in: 1...(Bool.random(using: &random) ? 10 * mib : .max), using: &random)
            var window = ReadWindow(limits: ReadingLimits())
            for _ in 0..<10 {
                let lower = Int64.random(in: 0..<size, using: &random)
                let upper = lower + min(size - lower, Int64.random(in: 1...mib, using: &random))
                let plan = window.read(lower..<upper, size: size)
                #expect(plan.wanted.lowerBound <= lower && plan.wanted.upperBound >= upper)
                #expect(plan.wanted.upperBound <= size && plan.fetch.upperBound <= size)
                #expect(plan.fetch.clamped(to: plan.wanted) == plan.wanted)
                #expect(plan.requestSize > 0)
                if Bool.random(using: &random) { window.granted(upTo: Int64.random(in: 0...size, using: &random)) }
            }
        }
    }
}
