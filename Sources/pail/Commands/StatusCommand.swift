import ArgumentParser
import Glibc
import Mount

/// `pail status MOUNTPOINT [--json|--check]`
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what a mount is doing and what it has still to store.")

    @Argument(help: "Where the bucket is mounted, or any path in it.")
    var mountPoint: String

    @Flag(help: "One object of JSON; CONFIGURATION.md describes it.")
    var json = false

    @Flag(help: "Show nothing; ask the store, and end with status 0 only if the mount and the store answer.")
    var check = false

    func run() throws {
        if check { return try Self.check(AbsolutePath.of(mountPoint, in: ProcessState.currentDirectory())) }
        let client = try ControlClient(toMountOf: AbsolutePath.of(mountPoint, in: ProcessState.currentDirectory()))
        guard let status = try client.ask(ControlRequest(command: .status)).status else {
            throw CommandError(.failure, "\(mountPoint): its process does not tell its state")
        }
        if json {
            print(String(decoding: ControlLine.encode(status).dropLast(), as: UTF8.self))
        } else {
            for line in StatusTable(status: status).lines { print(line) }
        }
    }

    /// Whether a mount does its work: its process answers, its store answers for the bucket (one request), and the kernel's way to it is
    /// open. For health checks: it gives up after ``patience``.
    /// - Throws: `mountPoint` where nothing is mounted or nobody answers, `failure` with the store's words.
    static func check(_ path: String) throws(CommandError) {
        let client = try ControlClient(toMountOf: path, patience: patience)
        _ = try client.ask(ControlRequest(command: .check))
        var status = stat()
        guard stat(client.mount.mountPoint, &status) == 0 else {
            throw CommandError(.mountPoint, "\(client.mount.mountPoint): \(String(cString: strerror(errno)))")
        }
    }

    /// How many seconds a check waits for an answer.
    static let patience = 10
}
