import ArgumentParser

/// `pail umount MOUNTPOINT [--lazy]`
struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umount", abstract: "Take a mount away. What is closed is stored already.",
        discussion: "With --lazy a mount in use is taken away at once and ends when its last user does.")

    @Argument(help: "Where the bucket is mounted.")
    var mountPoint: String

    @Flag(name: [.long, .customShort("l"), .customShort("z")], help: "Do not wait for programs that use the mount.")
    var lazy = false

    func run() throws {
        try Self.unmount(AbsolutePath.of(mountPoint, in: ProcessState.currentDirectory()), lazily: lazy)
    }
}
