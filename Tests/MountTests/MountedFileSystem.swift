import Glibc
import Logging
import Synchronization
import SystemPackage

@testable import Mount
@testable import MountFixture

/// Runs a body on a thread of its own: calls into a mount of this very process must not hold a thread of Swift's pool, which
/// the file system's own tasks need.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        do {
            // Never joined: it ends with the body, and the process does not wait for it.
            _ = try PosixThread(name: "test") { continuation.resume(with: Result { try body() }) }
        } catch { continuation.resume(throwing: error) }
    }
}

/// A system call's failure.
struct CallFailed: Error, CustomStringConvertible {
    let call: String
    let errno: Errno
    var description: String { "\(call): \(errno)" }
}

/// The result of a system call, or its errno as an error.
@discardableResult
func check<Number: SignedInteger>(_ call: String, _ result: Number) throws -> Number {
    guard result >= 0 else { throw CallFailed(call: call, errno: .last) }
    return result
}

/// A directory of its own below the temporary one.
func makeTemporaryDirectory() throws -> String {
    var template = Array("/tmp/pail-mount-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw CallFailed(call: "mkdtemp", errno: .last) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Frees a mount point whatever is on it, and removes it.
func removeMountPoint(_ path: String) {
    for _ in 0..<8 where MountTable.current().top(at: path) != nil { try? unmount(path, lazy: true) }
    rmdir(path)
}

extension MountTable {
    /// Whether something is mounted there.
    static func hasMount(at path: String) -> Bool { current().top(at: path) != nil }
}

/// Logs errors only: tests provoke warnings.
func testLogger() -> Logger {
    var logger = Logger(label: "test", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .error
    return logger
}

/// Mounts `fileSystem` in a temporary directory, runs `body` on a thread with the mount point, and ends the mount.
/// - Returns: how it ended, and what the body returned.
func withMount<Value: Sendable>(
    _ fileSystem: MemoryFileSystem, threads: Int = 4, drainTimeout: Duration = .seconds(10),
    awaitsRelease: Bool = true,
    _ body: @escaping @Sendable (_ path: String, _ mount: FuseMount) throws -> Value
) async throws -> (end: MountEnd, value: Value) {
    try await onThread {
        let path = try makeTemporaryDirectory()
        defer { removeMountPoint(path) }
        let mount = try FuseMount(
            fileSystem: fileSystem, mountPoint: path,
            options: FuseMountOptions(
                source: "memory", threads: threads, drainTimeout: drainTimeout, handlesSignals: false),
            logger: testLogger())
        let ready = try WakeUp()
        let end = Mutex<Result<MountEnd, MountError>?>(nil)
        let runner = try PosixThread(name: "test-run") {
            let result: Result<MountEnd, MountError>
            do throws(MountError) { result = .success(try mount.run { ready.signal() }) } catch {
                result = .failure(error)
            }
            end.withLock { $0 = result }
            ready.signal()
        }
        ready.wait()
        let result = Result { try body(path, mount) }
        // The kernel sends RELEASE after close(2) has returned, and drops what is unsent when the mount ends.
        if awaitsRelease, case .success = result { _ = try? eventually { fileSystem.openHandles == 0 } }
        mount.stop()
        runner.join()
        return (try end.withLock { try $0!.get() }, try result.get())
    }
}

/// A child process.
final class Child {
    let pid: pid_t
    private let output: Int32
    private var buffered: [UInt8] = []
    private var status: Int32?

    /// Starts a program with its standard output in a pipe.
    init(_ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        try check("pipe", pipe(&ends))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        posix_spawn_file_actions_addclose(&actions, ends[1])
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // A shell's background jobs inherit these ignored.
        var usual = none
        for signal in [SIGINT, SIGQUIT] { sigaddset(&usual, signal) }
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let failure = posix_spawnp(&pid, arguments[0], &actions, &attributes, &pointers, environ)
        close(ends[1])
        guard failure == 0 else {
            close(ends[0])
            throw CallFailed(call: "posix_spawn \(arguments[0])", errno: Errno(rawValue: failure))
        }
        self.pid = pid
        output = ends[0]
    }

    /// The program `MountFixture`, which is built beside the tests.
    static func fixture(_ arguments: [String]) throws -> Child {
        let own = try FileDescriptorPath.own()
        return try Child([own + "/MountFixture"] + arguments)
    }

    /// The next line of its output; nil at the end.
    func line() -> String? {
        while true {
            if let end = buffered.firstIndex(of: 10) {
                defer { buffered.removeFirst(end + 1) }
                return String(decoding: buffered[..<end], as: UTF8.self)
            }
            var chunk = [UInt8](repeating: 0, count: 1024)
            let count = read(output, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return nil }
            buffered += chunk[..<count]
        }
    }

    /// Waits for its end: the exit status, or the negative of the signal that killed it.
    func wait() -> Int32 {
        if let status { return status }
        var raw: Int32 = 0
        while waitpid(pid, &raw, 0) < 0 && errno == EINTR {}
        let result = raw & 0x7F == 0 ? raw >> 8 & 0xFF : -(raw & 0x7F)
        status = result
        return result
    }

    deinit {
        if status == nil {
            kill(pid, SIGKILL)
            _ = wait()
        }
        close(output)
    }
}

/// Where this process's program lies.
enum FileDescriptorPath {
    static func own() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try buffer.withUnsafeMutableBytes {
            try check(
                "readlink", readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count))
        }
        var path = FilePath(String(decoding: buffer[..<count], as: UTF8.self))
        path.removeLastComponent()
        return path.string
    }

    /// Open descriptors and threads of this process.
    static func counts() throws -> (descriptors: Int, threads: Int) {
        func entries(_ path: String) throws -> Int {
            guard let directory = opendir(path) else { throw CallFailed(call: "opendir", errno: .last) }
            defer { closedir(directory) }
            var count = 0
            while readdir(directory) != nil { count += 1 }
            return count
        }
        return (try entries("/proc/self/fd"), try entries("/proc/self/task"))
    }
}
