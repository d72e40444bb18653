import ArgumentParser
import Glibc

/// `pail help-man DIR`: writes the pages of the manual into a directory, for the package.
struct HelpManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "help-man", abstract: "Write the manual's pages into a directory.", shouldDisplay: false)

    @Argument(help: "Where to write them; it must be there.")
    var directory: String

    func run() throws {
        for page in Manual.pages { try Self.write(page.roff, to: directory + "/" + page.fileName) }
        for (name, page) in Manual.links {
            // man(1) reads the other page in its place.
            try Self.write(".so man\(page.last ?? "1")/\(page)\n", to: directory + "/" + name)
        }
    }

    private static func write(_ text: String, to path: String) throws(CommandError) {
        guard let file = fopen(path, "we") else {
            throw CommandError(.failure, "\(path): \(String(cString: strerror(errno)))")
        }
        let isWritten = text.withCString { fputs($0, file) } >= 0
        guard fclose(file) == 0, isWritten else {
            throw CommandError(.failure, "\(path): \(String(cString: strerror(errno)))")
        }
    }
}
