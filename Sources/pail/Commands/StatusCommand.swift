import ArgumentParser
import Glibc
import Mount

/// `pail status MOUNTPOINT [--json|--check] [--watch]`
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what a mount is doing and what it has still to store.")

    @Argument(help: "Where the bucket is mounted, or any path in it.")
    var mountPoint: String

    @Flag(help: "One object of JSON; CONFIGURATION.md describes it.")
    var json = false

    @Flag(help: "Show nothing; ask the store, and end with status 0 only if the mount and the store answer.")
    var check = false

    @Flag(help: "Again and again until the mount ends, with what happens meanwhile.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch, seconds between two looks: 1 to 3600.", valueName: "seconds"))
    var interval = 1

    @Option(help: ArgumentHelp("US$ for 1,000 requests of PUT, COPY, POST and LIST.", valueName: "price"))
    var priceWrites = RequestPrices().writes

    @Option(help: ArgumentHelp("US$ for 1,000 requests of GET, HEAD and all others.", valueName: "price"))
    var priceReads = RequestPrices().reads

    @Option(
        help: ArgumentHelp(
            "US$ for 1 GB from the store: nothing within a region of AWS, 0.09 to the Internet.", valueName: "price"))
    var priceTransfer = RequestPrices().transfer

    func validate() throws {
        guard (1...3600).contains(interval) else { throw ValidationError("--interval: 1 to 3600 expected.") }
        guard [priceWrites, priceReads, priceTransfer].allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw ValidationError("A price is 0 or more.")
        }
    }

    func run() throws { try show() }

    // Apart from `run`, whose untyped errors crash Swift 6.3's optimizer here.
    private func show() throws(CommandError) {
        let path = AbsolutePath.of(mountPoint, in: try ProcessState.currentDirectory())
        if check { return try Self.check(path) }
        let prices = RequestPrices(writes: priceWrites, reads: priceReads, transfer: priceTransfer)
        if watch {
            var page = StatusWatch(interval: interval, prices: prices)
            return try page.run({ () throws(CommandError) in try look(path, prices) }, json: json)
        }
        let status = try look(path, prices)
        if json {
            print(String(decoding: ControlLine.encode(status).dropLast(), as: UTF8.self))
        } else {
            for line in StatusTable(status: status, prices: prices).lines { print(line) }
        }
    }

    /// Asks the mount's process once, by a connection of its own.
    private func look(_ path: String, _ prices: RequestPrices) throws(CommandError) -> MountStatus {
        guard var status = try ControlClient(toMountOf: path).ask(ControlRequest(command: .status)).status else {
            throw CommandError(.failure, "\(mountPoint): its process does not tell its state")
        }
        status.requests.estimatedCost = prices.cost(of: status.requests)
        return status
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
