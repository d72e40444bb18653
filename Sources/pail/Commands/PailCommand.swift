import ArgumentParser

/// `pail`: the root of the commands.
struct PailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pail",
        abstract: "Mounts a bucket of an S3 store as a file system.",
        usage: """
            pail mount s3://BUCKET[/PREFIX] MOUNTPOINT [options]
            pail mount NAME [options]
            pail umount MOUNTPOINT [--lazy] [--no-wait]
            pail status MOUNTPOINT [--json|--check]
            pail sync MOUNTPOINT [PATH]
            pail refresh MOUNTPOINT [PATH]
            pail recover MOUNTPOINT|DIR [NUMBER FILE]
            pail check s3://BUCKET[/PREFIX] [-p|-y] [options]
            pail mounts [--json]
            pail volumes [--socket PATH] [options]
            """,
        discussion: """
            One object is one file, so every other S3 tool reads and writes the same data.
            """,
        version: "pail \(version)",
        subcommands: [
            MountCommand.self, UnmountCommand.self, StatusCommand.self, SyncCommand.self, RefreshCommand.self,
            RecoverCommand.self, CheckCommand.self, MountsCommand.self, VolumesCommand.self, ContainerCommand.self,
            HelpMarkdownCommand.self,
            HelpManCommand.self,
        ])

    /// Pail's version.
    static let version = "0.1.0"

    /// The names of all subcommands.
    static let commands: Set<String> = [
        "mount", "umount", "status", "sync", "refresh", "recover", "check", "mounts", "volumes", "container",
        "help-markdown",
        "help-man", "help",
    ]
}
