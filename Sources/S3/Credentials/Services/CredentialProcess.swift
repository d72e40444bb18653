internal import Glibc
internal import ObjectStore

/// A program that prints credentials (`credential_process`): run without a shell, with this process's environment, as AWS's tools do.
///
/// It has a minute, and nobody to talk to: its standard input and error are /dev/null, so that nothing that it says gets into
/// a log. It runs in a session of its own, which is ended with it.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>
enum CredentialProcess {
    /// Seconds that it may take.
    private static let patience: Int32 = 60
    /// POSIX_SPAWN_SETSID of spawn.h, which Glibc's module leaves out.
    private static let newSession: Int32 = 0x80
    /// Longer output is none.
    private static let longest = 64 << 10

    static func credentials(_ command: String) async throws(CredentialsError) -> Credentials {
        let words = try ShellWords.split(command)
        guard let program = words.first else { throw CredentialsError("credential_process: no program") }
        let name = "credential_process (\(program))"
        // A thread of its own: the program may take long, and nobody may wait on Swift's pool.
        let result: Result<[UInt8], CredentialsError> = await withCheckedContinuation { continuation in
            let work = Work(words: words, name: name) { continuation.resume(returning: $0) }
            var thread = pthread_t()
            let context = Unmanaged.passRetained(work)
            let failure = pthread_create(
                &thread, nil,
                { context in
                    let work = Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
                    work.done(CredentialProcess.run(work.words, work.name))
                    return nil
                }, context.toOpaque())
            if failure == 0 {
                pthread_detach(thread)
            } else {
                context.release()
                continuation.resume(returning: .failure(CredentialsError("\(name): no thread", isTransient: true)))
            }
        }
        let document = try CredentialsDocument.read(try result.get(), from: name)
        guard document.Version == 1 else { throw CredentialsError("\(name): its output has no \"Version\": 1") }
        return try document.credentials(from: name)
    }

    private final class Work: Sendable {
        let words: [String]
        let name: String
        let done: @Sendable (Result<[UInt8], CredentialsError>) -> Void

        init(words: [String], name: String, done: @escaping @Sendable (Result<[UInt8], CredentialsError>) -> Void) {
            self.words = words
            self.name = name
            self.done = done
        }
    }

    /// Runs the program to its end and gives what it prints. Blocks.
    static func run(_ words: [String], _ name: String) -> Result<[UInt8], CredentialsError> {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return .failure(CredentialsError("\(name): no pipe", isTransient: true)) }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals are blocked here, for the signal thread's sake; a program expects none to be.
        var none = sigset_t()
        sigemptyset(&none)
        var usual = sigset_t()
        sigemptyset(&usual)
        sigaddset(&usual, SIGPIPE)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | newSession))
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let failure = posix_spawnp(&child, words[0], &actions, &attributes, &arguments, environ)
        close(ends[1])
        guard failure == 0 else {
            return .failure(CredentialsError("\(name) cannot be run: \(String(cString: strerror(failure)))"))
        }
        let output = read(ends[0])
        // Its end comes right after that of its output, or it has closed that by itself and goes on.
        var status: Int32 = 0
        var hasEnded = false
        for _ in 0..<(output == nil ? 1 : 200) where !hasEnded {
            hasEnded = waitpid(child, &status, WNOHANG) == child
            if !hasEnded { usleep(10_000) }
        }
        // What it has started goes with it.
        kill(-child, SIGKILL)
        if !hasEnded { while waitpid(child, &status, 0) < 0, errno == EINTR {} }
        guard let output else {
            return .failure(
                CredentialsError("\(name) was not done within \(patience) s, or said too much", isTransient: true))
        }
        guard !hasEnded || status == 0 else {
            let how = status & 0x7F == 0 ? "status \(status >> 8 & 0xFF)" : "signal \(status & 0x7F)"
            return .failure(
                CredentialsError("\(name) ended with \(how); run it by hand to see why", isTransient: true))
        }
        return .success(output)
    }

    /// All to the end of the output; nil where it takes too long or is too much.
    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let limit = end.tv_sec + Int(patience)
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            let left = limit - now.tv_sec
            guard left > 0, output.count <= longest else { return nil }
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&poller, 1, Int32(left) * 1000)
            if ready < 0, errno != EINTR { return nil }
            guard ready > 0 else { continue }
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return output }
            output += chunk[..<count]
        }
    }
}
