import ArgumentParser
import Mount

/// `pail umount MOUNTPOINT [--lazy] [--no-wait]`
struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umount", abstract: "Take a mount away, and wait until all that was written is in the bucket.",
        discussion: "With --lazy a mount in use is taken away at once and ends when its last user does.")

    @Argument(help: "Where the bucket is mounted.")
    var mountPoint: String

    @Flag(name: [.long, .customShort("l"), .customShort("z")], help: "Do not wait for programs that use the mount.")
    var lazy = false

    @Flag(help: "Do not wait for what is still to be stored: the mount's process goes on with it.")
    var noWait = false

    func run() throws {
        let path = AbsolutePath.of(mountPoint, in: try ProcessState.currentDirectory())
        // Before the mount goes: by its device number its process is found. A mount whose process is dead has none.
        let client = noWait || lazy ? nil : try? ControlClient(toMountOf: path)
        try client?.send(ControlRequest(command: .watch))
        try Self.unmount(path, lazily: lazy)
        try client?.awaitEnd()
    }
}

extension ControlClient {
    /// Shows what is still to be stored until the mount's process has ended.
    /// - Throws: `failure` where it says that something is left.
    fileprivate func awaitEnd() throws(CommandError) {
        var line = ProgressLine()
        defer { line.clear() }
        var failure: String?
        while let reply = try next() {
            if let pending = reply.pending { line.show(pending) }
            failure = reply.error ?? failure
        }
        if let failure { throw CommandError(.failure, failure) }
    }
}
