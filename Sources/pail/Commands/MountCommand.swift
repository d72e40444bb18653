import ArgumentParser
import Glibc
import Logging
import S3

/// `pail mount s3://BUCKET[/PREFIX] MOUNTPOINT [options]`
///
/// Its options are not ArgumentParser's but ``MountOptionTable``'s, because each may also stand in a list behind `-o`, as
/// mount(8) hands them on, and because help and documentation come from one declaration.
struct MountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Mount a bucket; returns once the mount answers. See: pail mount --help")

    @Argument(parsing: .captureForPassthrough, help: "See: pail mount --help")
    var arguments: [String] = []

    func run() async throws {
        let pipe = StatusPipe.inherited()
        switch try MountArguments(parsing: arguments) {
        case .help: print(MountHelp.text())
        case .mount(let request):
            let directory = try ProcessState.currentDirectory()
            let environment = ProcessState.environment()
            if let pipe {
                try await Self.serve(request.absolute(in: directory), directory, environment, reportingTo: pipe)
            } else if request.options.isForeground {
                try await Self.serve(request.absolute(in: directory), directory, environment, reportingTo: nil)
            } else {
                try BackgroundMount.start(
                    words: ["pail", "mount", "--foreground"] + arguments, environment: environment,
                    logFile: request.absolute(in: directory).options.logFile)
            }
        }
    }

    /// Mounts, serves until the mount ends, and tells the waiting command, if there is one, how it went.
    static func serve(
        _ request: MountRequest, _ directory: String, _ environment: [String: String], reportingTo pipe: StatusPipe?
    ) async throws(CommandError) {
        ProcessState.settle()
        do throws(CommandError) {
            let (logger, control) = try logger(for: request.options, inBackground: pipe != nil)
            let plan = try MountPlan(request, directory: directory, environment: environment, logger: logger)
            // In the background it is `pail mount` that the service manager waits for.
            let service =
                pipe == nil
                ? ServiceNotifier(environment: environment, drainTimeout: request.options.drainTimeout) : nil
            try await mount(plan, logger: logger, log: control, service: service) {
                // Nobody there to be told: the command was interrupted, so the mount it asked for shall not stay.
                pipe?.send(.ready) ?? true
            }
        } catch {
            pipe?.send(.failed(error))
            throw error
        }
    }

    private static func logger(for options: MountOptions, inBackground: Bool) throws(CommandError) -> (
        Logger, LogControl
    ) {
        let sink: LogSink
        if let path = options.logFile {
            sink = try .file(path)
        } else if inBackground {
            sink = .system(as: options.fine.logIdentity)
        } else {
            sink = .descriptor(options.fine.logsToStandardOutput ? 1 : 2)
        }
        let control = LogControl(sink: sink, path: options.logFile, level: options.logLevel)
        let handler = LineLogHandler(
            sink: sink, format: options.logFormat, control: control, addsTime: options.fine.logsTime)
        var logger = Logger(label: "pail") { _ in handler }
        if let name = options.fine.instanceName { logger[metadataKey: "instance"] = "\(name)" }
        return (logger, control)
    }
}
