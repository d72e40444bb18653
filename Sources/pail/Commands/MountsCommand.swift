import ArgumentParser
import Mount

/// `pail mounts [--json]`
struct MountsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mounts", abstract: "List this machine's mounts of Pail.",
        discussion: "Also those that do not answer: their process is asked for at most 2 s, all at once.")

    @Flag(help: "An array of JSON; CONFIGURATION.md describes it.")
    var json = false

    func run() throws {
        let mounts = MountList.current()
        if json {
            print(String(decoding: ControlLine.encode(mounts).dropLast(), as: UTF8.self))
        } else {
            for line in MountList.table(mounts) { print(line) }
        }
    }
}
