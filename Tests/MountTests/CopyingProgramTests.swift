import Glibc
import Testing

@testable import Mount

/// Programs are told by their names, and only living ones.
@Suite struct CopyingProgramTests {
    @Test func namesFitWhereTheKernelKeepsThem() {
        for name in CopyingProgram.names { #expect((1...15).contains(name.utf8.count), "\(name)") }
    }

    @Test func aThreadOfThatName() async throws {
        #expect(!CopyingProgram.isOne(pid: 0))
        #expect(!CopyingProgram.isOne(pid: getpid()))
        #expect(try await onThread { try Self.isOne(named: "rsync") })
        #expect(try await !onThread { try Self.isOne(named: "rsyncd") })
    }

    /// Gives this thread a name, and asks about it.
    private static func isOne(named name: String) throws -> Bool {
        let comm = open("/proc/thread-self/comm", O_WRONLY)
        try #require(comm >= 0)
        defer { close(comm) }
        try #require(write(comm, name, name.utf8.count) == name.utf8.count)
        // A link to PID/task/TID.
        var target = [UInt8](repeating: 0, count: 100)
        let count = try target.withUnsafeMutableBytes {
            try check(
                "readlink", readlink("/proc/thread-self", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            )
        }
        let thread = String(decoding: target[..<count], as: UTF8.self).split(separator: "/").last
        return CopyingProgram.isOne(pid: try #require(thread.flatMap { Int32($0) }))
    }
}
