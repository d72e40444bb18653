import ArgumentParser

/// `pail status MOUNTPOINT [--json]`
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what a mount is doing and what it has still to store.")

    @Argument(help: "Where the bucket is mounted, or any path in it.")
    var mountPoint: String

    @Flag(help: "One object of JSON; CONFIGURATION.md describes it.")
    var json = false

    func run() throws {
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
}
