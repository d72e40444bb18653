import ArgumentParser
import Glibc
import HTTPServer
import Logging
import Mount
import SystemPackage
import Volumes

/// `pail volumes`: the volume plugin of Docker and Podman.
///
/// It ends at SIGINT or SIGTERM, after the calls under way; the mounts stay, for the containers that use them, and the next plugin finds them.
struct VolumesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volumes", abstract: "Serve volumes to Docker and Podman: the volume plugin.",
        discussion: "Mounts stay when the plugin ends; the next one finds them again. See HOSTS.md.")

    @Option(
        help: ArgumentHelp(
            "The Unix socket to listen on (/run/docker/plugins/pail.sock, for a user $XDG_RUNTIME_DIR/pail/volumes.sock).",
            valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Where the buckets are mounted, each under its volume's name (/run/pail/volumes, for a user $XDG_RUNTIME_DIR/pail/volumes).",
            valueName: "dir"))
    var mounts: String?

    @Option(
        help: ArgumentHelp(
            "Where all lies that Pail keeps on this machine; the volumes in \"volumes\" below it (/var/lib/pail, for a user $XDG_STATE_HOME/pail or ~/.local/state/pail).",
            valueName: "dir"))
    var stateDir: String?

    @Option(help: ArgumentHelp("The least that is logged: debug, info, notice, warning or error.", valueName: "level"))
    var logLevel = "notice"

    @Option(help: ArgumentHelp("How a line of the log looks: text or json.", valueName: "form"))
    var logFormat = "text"

    func run() async throws {
        let environment = ProcessState.environment()
        let directory = try ProcessState.currentDirectory()
        let logger = try makeLogger()
        let uid = geteuid()
        let state = AbsolutePath.of(
            try StateDirectory.path(chosen: stateDir, environment: environment, uid: uid), in: directory)
        let runtime = ControlAddress.directory(uid: uid, environment: environment)
        let mounts = AbsolutePath.of(mounts ?? runtime + "/volumes", in: directory)
        let socket = AbsolutePath.of(
            socket ?? (uid == 0 ? "/run/docker/plugins/pail.sock" : runtime + "/volumes.sock"), in: directory)
        ProcessState.settle()
        try StateDirectory.prepare(state)

        let driver: VolumeDriver
        do throws(VolumeRefusal) {
            driver = try VolumeDriver(
                folder: VolumeFolder(state + "/volumes"), root: mounts,
                processes: MountProcesses(
                    program: ProcessState.program, environment: environment, logger: logger,
                    arguments: Self.arguments(state)),
                logger: logger, check: Self.arguments(state))
        } catch {
            throw CommandError(.localState, error.description)
        }
        let server = try Self.serve(driver, at: socket, logger)
        let keeper = Task { await driver.keep() }
        let manager = ServiceSocket(environment: environment)
        manager?.send(["READY=1", "STATUS=\(driver.list().count) volumes, listening on \(socket)"])
        logger.notice("Serving volumes on \(socket), mounted in \(mounts)")

        await Self.signal()
        manager?.send(["STOPPING=1"])
        logger.notice("Ending; mounts stay")
        keeper.cancel()
        unlink(socket)
        await server.stop()
    }

    /// The volume's options with the state directory of the plugin, where they name none.
    private static func arguments(_ state: String) -> MountProcesses.Arguments {
        { options throws(VolumeRefusal) in
            var result = try VolumeOptions.arguments(options)
            if !result.options.contains(where: { $0.hasPrefix("--state-dir=") }) {
                result.options.append("--state-dir=\(state)")
            }
            return result
        }
    }

    private static func serve(
        _ driver: VolumeDriver, at path: String, _ logger: Logger
    ) throws(CommandError) -> HTTPServer {
        var part = ""
        for component in path.split(separator: "/").dropLast() {
            part += "/" + component
            mkdir(part, 0o755)
        }
        let plugin = VolumePlugin(driver)
        do throws(Errno) {
            // Whoever may connect may mount what the keys of this machine open.
            let listener = try ListeningSocket.unix(path: path, mode: 0o600)
            return try HTTPServer(
                listener: listener, limits: HTTPServerLimits(bodyBytes: VolumePlugin.bodyLimit, connections: 256),
                logger: logger, tooLarge: VolumePlugin.tooLarge
            ) { await plugin.answer($0) }
        } catch {
            throw CommandError(
                error == .addressInUse ? .busy : .failure,
                error == .addressInUse
                    ? "\(path): another process listens there, or it is no socket"
                    : "\(path) cannot be listened on: \(error)")
        }
    }

    private func makeLogger() throws(CommandError) -> Logger {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw CommandError(
                .usage, "--log-level: debug, info, notice, warning or error expected, not \"\(logLevel)\"")
        }
        guard let format = MountOptions.LogFormat(rawValue: logFormat) else {
            throw CommandError(.usage, "--log-format: text or json expected, not \"\(logFormat)\"")
        }
        let sink = LogSink.descriptor(2)
        let handler = LineLogHandler(sink: sink, format: format, level: level)
        return Logger(label: "pail") { _ in handler }
    }

    /// Waits for SIGINT or SIGTERM, which are blocked in all threads; a second one ends the process at once.
    private static func signal() async {
        let (stream, signals) = AsyncStream<Void>.makeStream()
        var thread = pthread_t()
        let box = Unmanaged.passRetained(SignalWaiter(signals))
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<SignalWaiter>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard failure == 0 else { return box.release() }
        pthread_detach(thread)
        for await _ in stream { return }
    }
}

/// The thread that takes the signals of `pail volumes`.
private final class SignalWaiter: Sendable {
    private let signals: AsyncStream<Void>.Continuation
    init(_ signals: AsyncStream<Void>.Continuation) { self.signals = signals }

    func run() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        signals.yield()
        while sigwait(&set, &number) != 0 {}
        _exit(128 + number)
    }
}
