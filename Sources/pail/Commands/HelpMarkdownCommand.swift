import ArgumentParser

/// `pail help-markdown < Documentation/CONFIGURATION.md`: prints that page with the parts that come from the code as they are
/// now. A test compares the committed page with it.
struct HelpMarkdownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "help-markdown", abstract: "Renew the option reference in a page read from standard input.",
        shouldDisplay: false)

    func run() throws {
        var page = ""
        while let line = readLine(strippingNewline: false) { page += line }
        print(try Self.renewed(page), terminator: "")
    }

    /// The parts that come from the code, by the name in their marks.
    static let parts: [(name: String, text: @Sendable () -> String)] = [
        ("options", { MountHelp.optionReference() }), ("exit status", { MountHelp.exitStatusReference() }),
    ]

    /// `page` with all that stands between a part's marks, `<!-- begin: NAME -->` and `<!-- end: NAME -->`, put in anew.
    static func renewed(_ page: String) throws(CommandError) -> String {
        var lines = page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for part in parts {
            guard let begin = lines.firstIndex(of: "<!-- begin: \(part.name) -->"),
                let end = lines.firstIndex(of: "<!-- end: \(part.name) -->"), begin < end
            else { throw CommandError(.usage, "the page has no marks for \"\(part.name)\"") }
            let text = part.text().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            lines.replaceSubrange(begin + 1..<end, with: [""] + text + [""])
        }
        return lines.joined(separator: "\n")
    }
}
