import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct SpillFileTests {
    static func fill(_ file: SpillFile, at offset: Int64, _ byte: UInt8, _ count: Int) throws {
        try [UInt8](repeating: byte, count: count).withUnsafeBytes { try file.write($0, at: offset) }
    }

    static func read(_ file: SpillFile, at offset: Int64, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try file.read(at: offset, into: $0) }
        return bytes
    }

    @Test func itHasNoNameAndKeepsBytes() throws {
        var template = Array("/tmp/pail-spill-test-XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        let file = try SpillFile(directory: directory)
        let a = file.allocate(5000)
        let b = file.allocate(10)
        try Self.fill(file, at: a, 1, 5000)
        try Self.fill(file, at: b, 2, 10)
        #expect(try Self.read(file, at: a, 5000) == [UInt8](repeating: 1, count: 5000))
        #expect(try Self.read(file, at: b, 10) == [UInt8](repeating: 2, count: 10))
        // Nothing is left in the directory even while the file is open.
        #expect(rmdir(directory) == 0)
    }

    @Test func freedSpaceIsTakenAgainOrPunchedOut() throws {
        let file = try SpillFile(directory: "/tmp")
        let a = file.allocate(8192)
        let b = file.allocate(4096)
        try Self.fill(file, at: a, 1, 8192)
        try Self.fill(file, at: b, 2, 4096)
        #expect(file.used == 12288)
        file.free(at: a, count: 8192)
        #expect(file.used == 4096)
        let c = file.allocate(100)
        #expect(c == a)
        try Self.fill(file, at: c, 3, 100)
        file.trim(above: 0)
        // What is in use stays, what was free is a hole.
        #expect(try Self.read(file, at: c, 100) == [UInt8](repeating: 3, count: 100))
        #expect(try Self.read(file, at: b, 4096) == [UInt8](repeating: 2, count: 4096))
        #expect(try Self.read(file, at: a + 4096, 4096) == [UInt8](repeating: 0, count: 4096))
    }

    @Test func aMissingDirectoryIsAnError() {
        #expect(throws: SpillError(errno: .noSuchFileOrDirectory)) { try SpillFile(directory: "/nonexistent/pail") }
    }

    @Test func readingPastTheEndIsAnErrorAndNotZeros() throws {
        let file = try SpillFile(directory: "/tmp")
        let a = file.allocate(100)
        try Self.fill(file, at: a, 1, 50)
        #expect(throws: SpillError(errno: .ioError)) { try Self.read(file, at: a, 100) }
    }

    @Test func aBlockGivesWhatWasWrittenOrAnError() throws {
        let file = try SpillFile(directory: "/tmp")
        var random = SplitMix64(seed: 11)
        let made = StagingBlock.onDisk(file, capacity: 200_000, for: .needed, budget: DiskBudget())
        let block = try #require(made)
        guard case .disk(_, let start, _) = block.storage else { return }
        let content = (0..<200_000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        // In pieces of all sizes, two writers in turn as two programs may append.
        var pieces: [Range<Int>] = []
        var end = 0
        while end < content.count {
            let count = min(
                Int.random(in: 1...[10, 5000, 60_000].randomElement(using: &random)!, using: &random),
                content.count - end)
            pieces.append(end..<end + count)
            end += count
        }
        for index in stride(from: 0, to: pieces.count - 1, by: 2) { pieces.swapAt(index, index + 1) }
        for piece in pieces {
            try content[piece].withUnsafeBytes { try block.write($0, at: piece.lowerBound) }
        }
        func read(_ range: Range<Int>) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: range.count)
            try bytes.withUnsafeMutableBytes { try block.read(at: range.lowerBound, into: $0) }
            return bytes
        }
        for _ in 0..<500 {
            let low = Int.random(in: 0..<content.count, using: &random)
            let high = min(content.count, low + Int.random(in: 1...50_000, using: &random))
            #expect(try read(low..<high) == Array(content[low..<high]))
        }
        // One bit of one byte.
        for _ in 0..<50 {
            let place = Int.random(in: 0..<content.count, using: &random)
            try [content[place] ^ 1 << UInt8.random(in: 0..<8, using: &random)].withUnsafeBytes {
                try file.write($0, at: start + Int64(place))
            }
            #expect(throws: SpillError(errno: .ioError, isDamaged: true)) { try read(place..<place + 1) }
            #expect(throws: SpillError(errno: .ioError, isDamaged: true)) { try read(0..<content.count) }
            try content[place...place].withUnsafeBytes { try file.write($0, at: start + Int64(place)) }
        }
        #expect(try read(0..<content.count) == content)
    }

    @Test func whatWasNeverWrittenIsNotGiven() throws {
        var sums = WrittenSums()
        [UInt8](repeating: 1, count: 100).withUnsafeBytes { sums.note($0, at: 50) }
        [UInt8](repeating: 2, count: 100).withUnsafeBytes { sums.note($0, at: 200) }
        #expect(sums.covering(50..<150)?.count == 1)
        #expect(sums.covering(60..<70)?.count == 1)
        for range in [0..<10, 40..<60, 140..<160, 150..<151, 60..<210, 290..<301] {
            #expect(sums.covering(range) == nil, "\(range)")
        }
        // What goes on where a run ends makes it longer; a run has an end.
        [UInt8](repeating: 1, count: 50).withUnsafeBytes { sums.note($0, at: 150) }
        #expect(sums.covering(50..<300)?.count == 2)
        let large = [UInt8](repeating: 3, count: 100_000)
        large.withUnsafeBytes { sums.note($0, at: 300) }
        #expect(sums.runs.allSatisfy { $0.count <= WrittenSums.runLimit })
        #expect(sums.covering(50..<100_300)?.reduce(0) { $0 + $1.count } == 100_250)
    }
}
