import ArgumentParser
import Check

/// `pail help-markdown < Documentation/CONFIGURATION.md`: prints that page, Documentation/S3FS.md or Documentation/CHECK.md, with the parts that come
/// from the code as they are now. A test compares the committed pages with it.
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
        ("s3fs options", { S3FSHelp.optionReference() }), ("checks", { CheckList.markdown }),
    ]

    /// `page` with all that stands between a part's marks, `<!-- begin: NAME -->` and `<!-- end: NAME -->`, put in anew.
    static func renewed(_ page: String) throws(CommandError) -> String {
        var lines = page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var isMarked = false
        for part in parts {
            let begin = lines.firstIndex(of: "<!-- begin: \(part.name) -->")
            let end = lines.firstIndex(of: "<!-- end: \(part.name) -->")
            if begin == nil, end == nil { continue }
            guard let begin, let end, begin < end else {
                throw CommandError(.usage, "the page's marks for \"\(part.name)\" are incomplete")
            }
            isMarked = true
            let text = part.text().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            lines.replaceSubrange(begin + 1..<end, with: [""] + text + [""])
        }
        guard isMarked else { throw CommandError(.usage, "the page has no marks for any part") }
        return lines.joined(separator: "\n")
    }
}
