import ArgumentParser
import Glibc
import Logging

/// `pail container`: the entry point of the container image, hidden from the help.
///
/// It mounts what the environment asks for (``ContainerSettings``) and serves the mount itself, as the container's first process: no
/// shell and no init beside it. SIGTERM and SIGINT end it in order, with status 0. `pail container health` tells whether that mount
/// does its work; `pail container COMMAND …` is `pail COMMAND …`, for `podman run IMAGE check s3://BUCKET`.
struct ContainerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "container", abstract: "Mount what the container's environment asks for.", shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough, help: "Nothing, or health.")
    var arguments: [String] = []

    /// The commands of the image efrecon/s3fs, which wait beside s3fs: here nothing needs to wait.
    private static let waitingCommands: Set<String> = ["empty.sh", "ls.sh"]

    /// Whether this process will serve the mount: what follows `container` decides; nil for another command.
    static func servesHere(_ arguments: [String]) -> Bool? {
        guard arguments.first == "container" else { return nil }
        return arguments.count == 1 || waitingCommands.contains(arguments[1])
    }

    func run() async throws {
        let given = ProcessState.environment()
        if arguments.first == "health" {
            return try StatusCommand.check(try Self.settings(given)?.mountPoint ?? ContainerSettings.mountPoint(given))
        }
        if let word = arguments.first, !Self.waitingCommands.contains(word) {
            throw CommandError(
                .usage,
                "the container runs no \"\(word)\": give it no command, or one of pail's such as check or status")
        }
        OrphanReaper.start()
        let settings = try ContainerSettings(environment: given, readFile: Self.text)
        guard case .mount(let parsed, let source, let mountPoint) = try S3FSArguments(parsing: settings.arguments)
        else {
            throw CommandError(.configuration, "S3FS_ARGS: options of a mount expected")
        }
        for notice in parsed.notices { LogSink.descriptor(2).write("pail: " + notice, level: .notice) }
        var request = try S3FSCommand.request(
            parsed, source: source, mountPoint: mountPoint, "/", settings.environment)
        request.options.subtype = "pail"
        if let list = settings.pailOptions { try MountArguments.takeList(list, &request.options) }
        try Self.makeDirectories(mountPoint)
        try await MountCommand.serve(
            request.absolute(in: "/"), "/", try parsed.environment(from: settings.environment), reportingTo: nil)
    }

    /// nil where the environment is that of no mount: `pail container health` of a mount that was made otherwise.
    private static func settings(_ given: [String: String]) throws(CommandError) -> ContainerSettings? {
        given["AWS_S3_BUCKET"] == nil && given["AWS_S3_ENVFILE"] == nil
            ? nil : try ContainerSettings(environment: given, readFile: text)
    }

    /// The mount point and what is above it.
    private static func makeDirectories(_ path: String) throws(CommandError) {
        var part = ""
        for component in path.split(separator: "/") {
            part += "/" + component
            // A dead mount answers nothing, not even that it is there: that is the mount's affair.
            guard mkdir(part, 0o755) == 0 || [EEXIST, ENOTCONN].contains(errno) || access(part, F_OK) == 0 else {
                throw CommandError(
                    .mountPoint, "the mount point \(path) cannot be made: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// A file's text, at most 64 KiB; nil where there is none.
    private static func text(_ path: String) throws(CommandError) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw CommandError(.configuration, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 64 << 10 {
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw CommandError(.configuration, "\(path) cannot be read: \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
