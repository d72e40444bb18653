import Glibc

/// What a program does on a mount, by plain system calls: the same for each mount that is compared.
///
/// Runs on a thread that serves no mount.
public struct KernelWork: Sendable {
    private let measure: Measuring

    /// Work whose measurements go to `measure`.
    public init(_ measure: Measuring) { self.measure = measure }

    /// A system call that failed.
    public struct Failure: Error, CustomStringConvertible {
        /// What failed, and why.
        public let description: String
        init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
    }

    /// Reads a file from its beginning to `bytes`, by `block` bytes.
    public func read(_ name: String, _ path: String, block: Int, bytes: Int) throws {
        try measure.blocking(name, operations: bytes / block, bytes: bytes) {
            try Self.read(path, block: block, bytes: bytes)
        }
    }

    /// Reads several files at once, each by a thread of its own. The figures are those of all readers together.
    public func readAtOnce(_ name: String, _ paths: [String], block: Int, bytes: Int) throws {
        try measure.blocking(name, operations: paths.count * (bytes / block), bytes: paths.count * bytes) {
            try Self.inThreads(paths) { path in try Self.read(path, block: block, bytes: bytes) }
        }
    }

    /// Writes so much to a file from its beginning, by `block` bytes. What `close` does is not timed.
    public func write(_ name: String, _ path: String, block: Int, bytes: Int, flags: Int32 = 0) throws {
        let file = open(path, O_WRONLY | flags, 0o644)
        guard file >= 0 else { throw Failure("open \(path)") }
        defer { close(file) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 4096)
        memset(buffer, 1, block)
        defer { buffer.deallocate() }
        try measure.blocking(name, operations: bytes / block, bytes: bytes) {
            var done = 0
            while done < bytes {
                guard Glibc.write(file, buffer, block) == block else { throw Failure("write \(path)") }
                done += block
            }
        }
    }

    /// Reads one block at each of the offsets.
    public func readAt(_ name: String, _ path: String, block: Int, offsets: [Int]) throws {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw Failure("open \(path)") }
        defer { close(file) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 4096)
        defer { buffer.deallocate() }
        try measure.blocking(name, operations: offsets.count, bytes: offsets.count * block) {
            for offset in offsets {
                guard pread(file, buffer, block, off_t(offset)) == block else { throw Failure("read \(path)") }
            }
        }
    }

    /// lstat(2) of each path.
    public func stat(_ name: String, _ paths: [String]) throws {
        try measure.blocking(name, operations: paths.count) {
            var result = Glibc.stat()
            for path in paths where lstat(path, &result) != 0 { throw Failure("stat \(path)") }
        }
    }

    /// Makes files of 4 KiB: open, write, close.
    public func makeFiles(_ name: String, _ paths: [String]) throws {
        let bytes = [UInt8](repeating: 1, count: 4096)
        try measure.blocking(name, operations: paths.count) {
            for path in paths {
                let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
                guard file >= 0 else { throw Failure("open \(path)") }
                let isWritten = Glibc.write(file, bytes, bytes.count) == bytes.count
                guard close(file) == 0, isWritten else { throw Failure("write \(path)") }
            }
        }
    }

    private static func read(_ path: String, block: Int, bytes: Int) throws {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw Failure("open \(path)") }
        defer { close(file) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 4096)
        defer { buffer.deallocate() }
        var done = 0
        while done < bytes {
            let count = Glibc.read(file, buffer, block)
            guard count > 0 else { throw Failure("read \(path)") }
            done += count
        }
    }

    private final class Job {
        let path: String
        let body: (String) throws -> Void
        var failure: (any Error)?
        init(_ path: String, _ body: @escaping (String) throws -> Void) {
            self.path = path
            self.body = body
        }
    }

    private static func inThreads(_ paths: [String], _ body: @escaping (String) throws -> Void) throws {
        let jobs = paths.map { Job($0, body) }
        var threads: [pthread_t] = []
        for job in jobs {
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { argument in
                    let job = Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue()
                    do { try job.body(job.path) } catch { job.failure = error }
                    return nil
                }, Unmanaged.passRetained(job).toOpaque())
            precondition(code == 0, "no thread")
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        if let failure = jobs.lazy.compactMap(\.failure).first { throw failure }
    }
}
