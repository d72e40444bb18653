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
}
