import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// Which files are fetched ahead of which reader.
@Suite struct FileWalkTests {
    /// A directory of files of the given sizes, and what a reader in it has fetched ahead.
    struct Reader {
        let entries: [KnownEntries.Entry]
        var walk = FileWalk()
        var room: Int64 = 1 << 40
        var contents: [Int] = []
        var attributes: [Int] = []

        /// A size of nil is a directory.
        init(_ sizes: [Int64?]) {
            entries = sizes.enumerated().map { index, size in
                KnownEntries.Entry(
                    name: FileName(Self.name(index))!,
                    object: size.map { .init(size: $0, etag: ETag("\(index)"), lastModified: Timestamp(seconds: 0)) })
            }
        }

        init(count: Int) { self.init(Array(repeating: 4096, count: count)) }

        static func name(_ index: Int) -> String { "\(100_000 + index)" }
        func key(_ index: Int) -> String { KnownEntries.key(of: entries[index]) }

        private func following(_ key: String, _ limit: Int) -> [KnownEntries.Entry] {
            let start = entries.firstIndex { key.utf8.lexicographicallyPrecedes(KnownEntries.key(of: $0).utf8) }
            return start.map { Array(entries[$0...].prefix(limit)) } ?? []
        }

        private mutating func note(_ plan: FileWalk.Plan) -> [Int] {
            func indices(_ entries: [KnownEntries.Entry]) -> [Int] { entries.map { Int($0.name.string)! - 100_000 } }
            contents += indices(plan.contents)
            attributes += indices(plan.attributes)
            return indices(plan.contents)
        }

        /// A lookup; nil where nobody seems to be reading.
        mutating func look(_ index: Int) -> [Int]? {
            let following = following
            return walk.look(at: key(index), room: room) { following($0, $1) }.map { note($0) }
        }

        @discardableResult mutating func read(_ index: Int) -> [Int] {
            let following = following
            return note(walk.read(key(index), room: room) { following($0, $1) })
        }

        /// What open(2) and read(2) come to.
        mutating func open(_ index: Int) {
            _ = look(index)
            read(index)
        }
    }

    @Test func oneFileFetchesNothing() {
        var reader = Reader(count: 100)
        #expect(reader.look(0) == nil)
        #expect(reader.read(0).isEmpty)
        #expect(reader.read(0).isEmpty)
        #expect(reader.look(0) == nil || reader.contents.isEmpty)
    }

    @Test func theNextFileOpensTheWindow() {
        var reader = Reader(count: 100)
        reader.open(0)
        // The file itself too: its lookup is the GET.
        #expect(reader.look(1) == [1, 2, 3])
    }

    @Test func aSecondReadOpensTheWindowAsWell() {
        var reader = Reader(count: 100)
        reader.read(0)
        #expect(reader.read(1) == [2, 3])
    }

    @Test(arguments: [5, 64, 200, 1000]) func aWalkFetchesEachFileOnceBeforeItIsOpened(count: Int) {
        var reader = Reader(count: count)
        for index in 0..<count {
            _ = reader.look(index)
            if index > 0 { #expect(reader.contents.contains(index), "file \(index) was not fetched ahead") }
            reader.read(index)
            #expect((reader.contents.last ?? index) - index <= FileWalk.largestWindow)
        }
        #expect(reader.contents == Array(1..<count))
        #expect(reader.walk.ahead == 0)
    }

    @Test func theWindowDoublesUpToItsLimit() {
        var reader = Reader(count: 2000)
        var largest = 0
        for index in 0..<1000 {
            reader.open(index)
            largest = max(largest, reader.walk.ahead)
        }
        #expect(largest > FileWalk.largestWindow / 2 && largest <= FileWalk.largestWindow)
    }

    /// Several threads take the files in order and finish in any.
    @Test(arguments: 1...20) func readersOutOfOrderAreOneWalk(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var reader = Reader(count: 800)
        var order = Array(0..<800)
        for start in stride(from: 0, to: 800, by: 8) { order[start..<start + 8].shuffle(using: &random) }
        var missed = 0
        for index in order {
            if !reader.contents.contains(index) { missed += 1 }
            reader.open(index)
        }
        #expect(Set(reader.contents).count == reader.contents.count, "seed \(seed): fetched twice")
        #expect(missed <= 40, "seed \(seed): \(missed) files were not fetched ahead")
    }

    /// Each thread takes a range of its own.
    @Test func rangesAreWalkedSideBySide() {
        var reader = Reader(count: 1600)
        for step in 0..<100 {
            for range in 0..<16 { reader.open(range * 100 + step) }
            #expect(reader.walk.ahead <= FileWalk.largestSum)
        }
        #expect(Set(reader.contents).count == reader.contents.count)
        #expect(reader.contents.count >= 1400)
    }

    @Test func aSecondPassIsAWalkToo() {
        var reader = Reader(count: 100)
        for index in 0..<100 { reader.open(index) }
        reader.contents = []
        for index in 0..<100 { reader.open(index) }
        #expect(reader.contents == Array(1..<100))
    }

    @Test(arguments: 1...20) func randomReadersFetchNothing(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var reader = Reader(count: 1000)
        var last = -2
        for _ in 0..<50 {
            let index = Int.random(in: 0..<1000, using: &random)
            if index == last + 1 { continue }
            last = index
            reader.open(index)
        }
        // Four of fifty may by chance be neighbours of one of the sixteen before.
        #expect(reader.contents.count <= 12, "seed \(seed)")
    }

    @Test func backwardReadersFetchNothing() {
        var reader = Reader(count: 300)
        for index in (0..<300).reversed() { reader.open(index) }
        #expect(reader.contents.isEmpty)
    }

    /// `cat first; ls -l`
    @Test func namesThatAreOnlyLookedUpCloseTheWindow() {
        var reader = Reader(count: 300)
        reader.open(0)
        for index in 1..<300 { _ = reader.look(index) }
        #expect(reader.contents == [1, 2, 3])
        #expect(reader.look(299) == nil)
    }

    /// A walker that stops reading and goes on looking.
    @Test func aProvedWindowIsClosedByLooksToo() {
        var reader = Reader(count: 1000)
        for index in 0..<200 { reader.open(index) }
        let fetched = reader.contents.count
        for index in 200..<600 { _ = reader.look(index) }
        #expect(reader.contents.count == fetched)
        #expect(reader.look(600) == nil)
    }

    /// `grep -l`: what is wasted is the window.
    @Test(arguments: [2, 10, 100]) func aReaderWhoStopsWastesAtMostTheWindow(count: Int) {
        var reader = Reader(count: 1000)
        for index in 0..<count { reader.open(index) }
        #expect(reader.contents.count - (count - 1) <= min(FileWalk.largestWindow, 2 * count))
    }

    @Test func filesPassedOverShrinkTheWindow() {
        var reader = Reader(count: 3000)
        for index in 0..<200 { reader.open(index) }
        let before = reader.walk.ahead
        #expect(before > FileWalk.tolerance + 1)
        reader.open(200 + FileWalk.tolerance + 5)
        #expect(reader.walk.ahead < before)
    }

    @Test func whatIsLostClosesTheWindowBySteps() {
        var reader = Reader(count: 1000)
        for index in 0..<100 { reader.open(index) }
        for index in 100..<110 { reader.walk.lost(reader.key(index)) }
        #expect(reader.walk.ahead == 0)
        let fetched = reader.contents.count
        // And it takes a reader to open it again.
        reader.read(110)
        reader.read(111)
        #expect(reader.contents.count > fetched)
    }

    @Test func onlySmallFilesAreFetchedWhole() {
        var reader = Reader([4096, 4096, nil, FileWalk.largestFile + 1, 0, FileWalk.largestFile, 4096, 4096])
        reader.open(0)
        _ = reader.look(1)
        #expect(reader.contents == [1, 5, 6])
        #expect(reader.attributes == [2, 3, 4])
    }

    @Test func noMoreThanThereIsRoomFor() {
        var reader = Reader(count: 1000)
        reader.room = 3 * 4096
        for index in 0..<500 {
            let before = reader.contents.count
            reader.open(index)
            #expect(reader.contents.count - before <= 6)
        }
        reader.room = 0
        let fetched = reader.contents.count
        for index in 500..<600 { reader.open(index) }
        #expect(reader.contents.count == fetched)
    }

    @Test func withoutAnETagNothingIsFetched() {
        var walk = FileWalk()
        let entries = (0..<10).map {
            KnownEntries.Entry(
                name: FileName("\($0)")!, object: .init(size: 1, etag: nil, lastModified: Timestamp(seconds: 0)))
        }
        for index in 0..<5 {
            let plan = walk.read("\(index)", room: 1 << 20) { key, limit in
                Array(entries[(Int(key)! + 1)...].prefix(limit))
            }
            #expect(plan.contents.isEmpty)
        }
    }
}
