import Glibc
import Testing

@testable import pail

/// The memory that a mount takes by itself follows its control group.
@Suite struct MemoryDefaultTests {
    /// A root directory with files of the given contents.
    static func withRoot<T>(_ files: [String: String], _ body: (String) throws -> T) throws -> T {
        let root = "/tmp/pail-memory-\(UInt64.random(in: 0 ... .max))"
        var made = [root]
        defer { for path in made.reversed() { remove(path) } }
        mkdir(root, 0o700)
        for (path, text) in files {
            var directory = root
            for part in path.split(separator: "/").dropLast() {
                directory += "/" + part
                if mkdir(directory, 0o700) == 0 { made.append(directory) }
            }
            let file = try #require(fopen(root + path, "w"))
            fputs(text, file)
            fclose(file)
            made.append(root + path)
        }
        return try body(root)
    }

    static let cases: [(files: [String: String], megabytes: Int64)] = [
        ([:], 256),
        (["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": "max\n"], 256),
        (["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": "536870912\n"], 128),
        (
            [
                "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": "536870912\n",
                "/sys/fs/cgroup/a/b/memory.max": "268435456\n",
            ], 64
        ),
        // A container that sees its own group as the root.
        (["/proc/self/cgroup": "0::/../x\n", "/sys/fs/cgroup/memory.max": "400000000\n"], 95),
        (["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1000\n"], 32),
        (
            [
                "/proc/self/cgroup": "4:memory:/docker/x\n0::/\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "314572800\n",
            ], 75
        ),
        (
            [
                "/proc/self/cgroup": "4:cpu,memory:/\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            ], 256
        ),
        (["/proc/self/cgroup": "nonsense\n1:2\n"], 256),
    ]

    @Test(arguments: cases.indices) func followsTheControlGroup(index: Int) throws {
        let (files, megabytes) = Self.cases[index]
        try Self.withRoot(files) { #expect(MemoryDefault.bytes(root: $0) >> 20 == megabytes) }
    }
}
