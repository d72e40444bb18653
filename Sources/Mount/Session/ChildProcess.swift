import CFuse
import Glibc
public import SystemPackage

/// A program that is run and waited for: fusermount3, and Pail itself for the volumes of containers.
public enum ChildProcess {
    /// How a program ended.
    public struct Ended: Sendable, Equatable {
        /// Its exit status; 128 and the signal's number where a signal ended it.
        public var status: Int32
        /// What it wrote to standard error: the first 4 KiB.
        public var errorOutput: String
    }

    /// `POSIX_SPAWN_SETSID`, which glibc's header shows only with `_GNU_SOURCE`.
    private static let newSession: Int32 = 0x80

    /// Runs a program and waits for its end. It reads nothing, its output goes nowhere, and it has the signals that programs expect: none blocked, none
    /// ignored that this process ignores.
    /// - Parameters:
    ///   - arguments: `argv`.
    ///   - program: its path; nil for the first argument, looked for in `PATH`.
    ///   - environment: nil for this process's own.
    ///   - isApart: in a session of its own, so that a terminal's signals do not reach it.
    /// - Throws: what pipe2(2), posix_spawn(3) and waitpid(2) give: `ENOENT` where there is no such program.
    public static func run(
        _ arguments: [String], program: String? = nil, environment: [String: String]? = nil, isApart: Bool = false
    ) throws(Errno) -> Ended {
        var pipe: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pipe) {
            pipe2($0.baseAddress!.assumingMemoryBound(to: Int32.self), O_CLOEXEC)
        }
        guard made == 0 else { throw .last }
        defer { close(pipe.0) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
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
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (isApart ? newSession : 0)))

        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            (environment ?? [:]).map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in words + variables { free(pointer) } }
        var pid: pid_t = 0
        let failure = variables.withUnsafeMutableBufferPointer { variables in
            let given = environment == nil ? environ : variables.baseAddress!
            return if let program {
                posix_spawn(&pid, program, &actions, &attributes, &words, given)
            } else {
                posix_spawnp(&pid, arguments[0], &actions, &attributes, &words, given)
            }
        }
        close(pipe.1)
        guard failure == 0 else { throw Errno(rawValue: failure) }

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
            guard errno == EINTR else { throw .last }
        }
        let exited = status & 0x7F == 0
        return Ended(
            status: exited ? (status >> 8) & 0xFF : 128 + (status & 0x7F),
            errorOutput: String(decoding: output, as: UTF8.self))
    }
}
