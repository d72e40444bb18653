import CLinux
import Glibc

/// What a library's child process says on standard error, for the error that follows.
///
/// libfuse starts fusermount3 itself and tells only that it failed: why stands in what fusermount3 prints. While `body` runs,
/// descriptor 2 of the process is a file in memory, which a child inherits and which never blocks a writer; what other
/// threads write there meanwhile goes to the real one afterwards, some milliseconds late.
enum StandardErrorCapture {
    /// Runs `body`, and returns its result with the lines that began with `prefix`, without it.
    static func run<Value>(linesOf prefix: String, _ body: () -> Value) -> (value: Value, lines: [String]) {
        let memory = pail_memory_file("stderr")
        let real = fcntl(2, F_DUPFD_CLOEXEC, 3)
        defer {
            if memory >= 0 { close(memory) }
            if real >= 0 { close(real) }
        }
        // dup2 clears the close-on-exec flag: the child gets it.
        guard memory >= 0, real >= 0, dup2(memory, 2) == 2 else { return (body(), []) }
        let value = body()
        // dup2 fails for no reason that holds for a descriptor that is open, but for signals.
        while dup2(real, 2) < 0, errno == EINTR {}
        return (value, sort(content(of: memory), prefix: Array(prefix.utf8)))
    }

    /// Passes on what is somebody else's.
    private static func sort(_ bytes: [UInt8], prefix: [UInt8]) -> [String] {
        var lines: [String] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if line.starts(with: prefix) {
                lines.append(String(decoding: line.dropFirst(prefix.count), as: UTF8.self))
            } else {
                let whole = Array(line) + [UInt8(ascii: "\n")]
                _ = write(2, whole, whole.count)
            }
        }
        return lines
    }

    private static func content(of descriptor: Int32) -> [UInt8] {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while result.count < 1 << 20 {
            let count = pread(descriptor, &chunk, chunk.count, off_t(result.count))
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            result += chunk[..<count]
        }
        return result
    }
}
