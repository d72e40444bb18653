import Glibc

/// Starts the mount's process and waits until it answers.
///
/// Not by `fork`: a copy of a process with threads can only call what is safe in a signal handler. Instead this program is
/// started once more by posix_spawn(3), in a session of its own, with standard input, output and error on `/dev/null` (so that
/// a shell's pipe does not wait for it) and a pipe back. It gets the same arguments with `--foreground` (or `-f`) before them and the same
/// environment: keys never stand in arguments, which every user can read.
///
/// If this command is ended by a signal before the mount answers, the mount's process finds nobody at the pipe and ends too.
enum BackgroundMount {
    /// Runs a mount in the background; returns once the mount answers.
    /// - Parameters:
    ///   - words: the whole `argv` of the new process, which shall mount in the foreground.
    ///   - logFile: where a crash may write its last words; nil for nowhere.
    static func start(words: [String], environment: [String: String], logFile: String?) throws(CommandError) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw failure("pipe", errno) }
        let (reading, writing) = (ends[0], ends[1])
        defer { close(reading) }
        for end in ends where fcntl(end, F_SETFD, FD_CLOEXEC) != 0 { throw failure("fcntl", errno) }
        let started = Result { () throws(CommandError) in
            try spawn(words: words, environment: environment, status: writing, logFile: logFile)
        }
        // Only the new process holds this end now, so that the pipe ends when it does.
        close(writing)
        let process = try started.get()
        switch StatusMessage(decoding: try readAll(reading)) {
        case .ready: return
        case .failed(let error):
            _ = wait(for: process)
            throw error
        case nil:
            throw CommandError(.failure, "the mount's process \(wait(for: process)) before the mount answered")
        }
    }

    /// `POSIX_SPAWN_SETSID`, which glibc's header shows only with `_GNU_SOURCE`.
    private static let newSession: Int32 = 0x80

    /// The descriptor of the pipe in the new process.
    private static let statusDescriptor: Int32 = 3

    private static func spawn(words: [String], environment: [String: String], status: Int32, logFile: String?)
        throws(CommandError) -> pid_t
    {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, logFile ?? "/dev/null", O_WRONLY | O_APPEND | O_CREAT, 0o640)
        // Also where both are the same number: dup2 then takes the close-on-exec flag off.
        posix_spawn_file_actions_adddup2(&actions, status, statusDescriptor)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGHUP)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(newSession | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var variables = environment
        variables[StatusPipe.variable] = "\(statusDescriptor)"
        var process: pid_t = 0
        let code = withCStrings(words) { argv in
            withCStrings(variables.map { "\($0.key)=\($0.value)" }) { envp in
                posix_spawn(&process, ProcessState.program, &actions, &attributes, argv, envp)
            }
        }
        guard code == 0 else {
            if let logFile, access(logFile, W_OK) != 0 {
                throw CommandError(.localState, "the log file \(logFile) cannot be opened: \(text(of: code))")
            }
            throw failure("posix_spawn", code)
        }
        return process
    }

    /// Reads until a line or the end.
    private static func readAll(_ descriptor: Int32) throws(CommandError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.last != UInt8(ascii: "\n"), bytes.count < 1 << 20 {
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", errno) }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        return bytes
    }

    /// Takes the ended process's status, in words.
    private static func wait(for process: pid_t) -> String {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { return "ended" }
        }
        let signal = status & 0x7F
        return signal == 0 ? "ended with status \((status >> 8) & 0xFF)" : "was ended by signal \(signal)"
    }

    private static func failure(_ call: String, _ code: Int32) -> CommandError {
        CommandError(.failure, "the mount's process cannot be started: \(call): \(text(of: code))")
    }

    private static func text(of code: Int32) -> String { String(cString: strerror(code)) }

    /// Calls `body` with an array of C strings that ends in nil.
    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    }
}
