import ArgumentParser
import Glibc
import Logging
import Mount

/// The program: reads the arguments, runs the command, ends with its status.
@main
enum Main {
    static func main() {
        let argv = CommandLine.arguments
        // Before any other thread is started: threads inherit what is blocked.
        if servesHere(argv) { SignalSource.block() }
        Task.detached { exit(await run(argv).rawValue) }
        while true { pause() }
    }

    /// Whether this process will serve a mount itself: in the foreground, or as the background part of `pail mount`.
    private static func servesHere(_ argv: [String]) -> Bool {
        if getenv(StatusPipe.variable) != nil { return true }
        guard let invocation = try? Invocation(argv, commands: PailCommand.commands),
            invocation.arguments.first == "mount",
            case .mount(let request)? = try? MountArguments(parsing: Array(invocation.arguments.dropFirst()))
        else { return false }
        return request.options.isForeground
    }

    /// Runs a command and prints what is to be printed.
    static func run(_ argv: [String]) async -> ExitStatus {
        do {
            let invocation = try Invocation(argv, commands: PailCommand.commands)
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
