import ArgumentParser
import Glibc
import Logging
import Mount

/// The program: reads the arguments, runs the command, ends with its status.
@main
enum Main {
    static func main() {
        let argv = CommandLine.arguments
        // A malformed call is told by `run`.
        let s3fs = (try? S3FSInvocation(argv)) ?? nil
        // Before any other thread is started: threads inherit what is blocked.
        let isServing = servesHere(argv, s3fs)
        if isServing {
            SignalSource.block()
            UserSignals.block()
        }
        // What `ps -C s3fs` and s3fs's scripts look for, whatever the program's file is called.
        if s3fs != nil { ProcessState.nameThread(S3FSInvocation.name) }
        let isS3FS = s3fs != nil
        Task.detached { exit(await run(argv, isS3FS: isS3FS).rawValue) }
        if isServing { UserSignals.take() }
        while true { pause() }
    }

    /// Whether this process will serve a mount itself: in the foreground, or as the background part of `pail mount`.
    private static func servesHere(_ argv: [String], _ s3fs: S3FSInvocation?) -> Bool {
        if getenv(StatusPipe.variable) != nil { return true }
        if let s3fs { return S3FSCommand.servesHere(s3fs) }
        guard let invocation = try? invocation(argv) else { return false }
        if let container = ContainerCommand.servesHere(invocation.arguments) { return container }
        // They look for signals where they can end.
        if ["check", "volumes"].contains(invocation.arguments.first) { return true }
        guard invocation.arguments.first == "mount",
            case .mount(let request)? = try? MountArguments(parsing: Array(invocation.arguments.dropFirst()))
        else { return false }
        return request.options.isForeground
    }

    /// What is asked for, with the file of a named mount in its name's place.
    private static func invocation(_ argv: [String]) throws(CommandError) -> Invocation {
        var result = try Invocation(argv, commands: PailCommand.commands)
        if result.arguments.first == "container", result.arguments.count > 1,
            PailCommand.commands.contains(result.arguments[1])
        {
            result.arguments.removeFirst()
        }
        if result.arguments.first == "mount" {
            result.arguments =
                ["mount"]
                + (try NamedMount.expanded(
                    Array(result.arguments.dropFirst()), environment: ProcessState.environment()))
        }
        return result
    }

    /// Runs a command and prints what is to be printed.
    private static func run(_ argv: [String], isS3FS: Bool) async -> ExitStatus {
        isS3FS ? await runAsS3FS(argv) : await run(argv)
    }

    /// Runs the program under s3fs's name.
    private static func runAsS3FS(_ argv: [String]) async -> ExitStatus {
        do throws(CommandError) {
            if let invocation = try S3FSInvocation(argv) {
                try await S3FSCommand.run(invocation, reportingTo: StatusPipe.inherited())
            }
            return .success
        } catch {
            LogSink.descriptor(2).write(S3FSMessage.line(error.message), level: .error)
            return S3FSMessage.error(error).status
        }
    }

    /// Runs one of Pail's commands.
    static func run(_ argv: [String]) async -> ExitStatus {
        do {
            let invocation = try invocation(argv)
            var command = try PailCommand.parseAsRoot(invocation.arguments)
            if invocation.isRehearsal, let mount = command as? MountCommand {
                _ = try MountArguments(parsing: mount.arguments)
                return .success
            }
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return .success
        } catch let error as CommandError {
            complain(error.line)
            return error.status
        } catch {
            // ArgumentParser's: help and version are errors of status 0 to it.
            if PailCommand.exitCode(for: error) == .success {
                print(PailCommand.fullMessage(for: error))
                return .success
            }
            complain(CommandError(.usage, PailCommand.message(for: error)).line)
            return .usage
        }
    }

    private static func complain(_ line: String) {
        LogSink.descriptor(2).write(line, level: .error)
    }
}
