import CFuse
import Glibc
import SystemPackage

/// Unmounts the file system on top at `path`.
///
/// As root by umount2(2); otherwise by the set-uid program fusermount3, which unmounts what the same user mounted.
/// - Parameter lazy: detaches it from the tree at once and lets open files end in their own time (`MNT_DETACH`).
/// - Throws: `notMounted`, `busy` (not where lazy), `unmountFailed`.
public func unmount(_ path: String, lazy: Bool) throws(MountError) {
    var failure = Errno(rawValue: 0)
    let flags = Int32(UMOUNT_NOFOLLOW) | (lazy ? Int32(MNT_DETACH) : 0)
    repeat {
        if umount2(path, flags) == 0 { return }
        failure = .last
    } while failure == .interrupted
    switch failure {
    case .resourceBusy: throw .busy(path)
    case .invalidArgument, .noSuchFileOrDirectory: throw .notMounted(path)
    case .notPermitted where geteuid() != 0: try Fusermount.unmount(path, lazy: lazy)
    default: throw .unmountFailed(path, reason: "\(failure)")
    }
}

/// libfuse's set-uid helper.
enum Fusermount {
    /// `fusermount3 -u [-z] path`.
    static func unmount(_ path: String, lazy: Bool) throws(MountError) {
        let (status, output) = try run(["fusermount3", "-u"] + (lazy ? ["-z"] : []) + ["--", path])
        guard status != 0 else { return }
        let text = output.split(separator: "\n").first.map(String.init) ?? "fusermount3 ended with status \(status)"
        if text.contains("busy") { throw .busy(path) }
        if text.contains("not found in") || text.contains("not mounted") { throw .notMounted(path) }
        throw .unmountFailed(path, reason: text)
    }

    /// Runs a program found by `PATH` with nothing to read, and returns its exit status and what it wrote to standard
    /// error (the first 4 KiB).
    private static func run(_ arguments: [String]) throws(MountError) -> (status: Int32, output: String) {
        var pipe: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pipe) {
            pipe2($0.baseAddress!.assumingMemoryBound(to: Int32.self), O_CLOEXEC)
        }
        guard made == 0 else { throw .system("pipe2", .last) }
        defer { close(pipe.0) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, pipe.1, 2)

        // Our threads block signals and ignore SIGPIPE; the child shall start as programs expect.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var set = sigset_t()
        sigemptyset(&set)
        posix_spawnattr_setsigmask(&attributes, &set)
        sigaddset(&set, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &set)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let failure = posix_spawnp(&pid, arguments[0], &actions, &attributes, &pointers, environ)
        close(pipe.1)
        guard failure == 0 else { throw .system("starting \(arguments[0])", Errno(rawValue: failure)) }

        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(pipe.0, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            if output.count < 4096 { output += chunk[..<count] }
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw .system("waitpid", .last) }
        }
        let exited = status & 0x7F == 0
        return (exited ? (status >> 8) & 0xFF : 128 + (status & 0x7F), String(decoding: output, as: UTF8.self))
    }
}
