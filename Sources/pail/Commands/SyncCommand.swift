import ArgumentParser

/// `pail sync MOUNTPOINT [PATH]`
struct SyncCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Wait until what was written to a mount is in the bucket.",
        discussion: "Files that are open are stored as they are. Ends with status 1 where something cannot be stored.")

    @Argument(help: "Where the bucket is mounted, or a path in it: then only that is waited for.")
    var mountPoint: String

    @Argument(help: "A path below the mount point.")
    var path: String?

    func run() throws {
        let client = try ControlClient(toMountOf: try MountPath.absolute(mountPoint, path))
        var line = ProgressLine()
        defer { line.clear() }
        _ = try client.ask(ControlRequest(command: .sync, path: client.below)) { line.show($0) }
    }
}

/// `pail refresh MOUNTPOINT [PATH]`
struct RefreshCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refresh",
        abstract: "Make a mount forget what it has cached, so that it shows the bucket as it is now.",
        discussion: "Open files go on with the version that they were opened on.")

    @Argument(help: "Where the bucket is mounted, or a path in it: then only that is forgotten.")
    var mountPoint: String

    @Argument(help: "A path below the mount point.")
    var path: String?

    func run() throws {
        let client = try ControlClient(toMountOf: try MountPath.absolute(mountPoint, path))
        _ = try client.ask(ControlRequest(command: .refresh, path: client.below))
    }
}

/// The place that `MOUNTPOINT [PATH]` names.
enum MountPath {
    /// The path is the mount point's, unless it is absolute itself.
    static func absolute(_ mountPoint: String, _ path: String?) throws(CommandError) -> String {
        let base = AbsolutePath.of(mountPoint, in: try ProcessState.currentDirectory())
        guard let path else { return base }
        return AbsolutePath.of(path, in: base)
    }
}
