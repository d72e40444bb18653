import ArgumentParser
import Glibc
import Logging
import Mount

/// The program: reads the arguments, runs the command, ends with its status.
@main
enum Main {
    static func main() async {
        // Before any thread is started: a mount reads its signals as data (see SignalSource).
        if CommandLine.arguments.contains(where: { ["-f", "--foreground"].contains($0) }) {
            SignalSource.block()
        }
        exit(await run(CommandLine.arguments).rawValue)
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
