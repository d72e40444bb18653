/// A page of the manual in the language of man(7), put together from plain texts.
struct ManualPage: Sendable {
    /// The page's name: `pail-mount`.
    var name: String
    /// The section of the manual: 1 for commands, 5 for files, 8 for administration.
    var section: Int
    /// Lines of roff.
    private(set) var lines: [String]

    /// A page with its title and its first section.
    init(_ name: String, section: Int, purpose: String) {
        self.name = name
        self.section = section
        // Without a date: the same program gives the same page on any day.
        lines = [
            ".\\\" Made by: pail help-man",
            ".TH \(name.uppercased()) \(section) \"\" \"pail \(PailCommand.version)\" \"Pail\"", ".nh", ".ad l",
        ]
        heading("Name")
        lines.append("\(Self.text(name)) \\- \(Self.text(purpose))")
    }

    /// The file's name: `pail-mount.1`.
    var fileName: String { "\(name).\(section)" }

    /// The whole page.
    var roff: String { lines.joined(separator: "\n") + "\n" }

    /// Begins a section.
    mutating func heading(_ title: String) { lines.append(".SH \"\(Self.text(title.uppercased()))\"") }

    /// A paragraph.
    mutating func paragraph(_ text: String) { lines += [".PP", Self.text(text)] }

    /// Something named and what it is.
    mutating func item(_ term: String, _ text: String) { lines += [".TP", ".B \(Self.text(term))", Self.text(text)] }

    /// Lines that stay as they are.
    mutating func verbatim(_ text: String) {
        lines +=
            [".PP", ".nf"] + text.split(separator: "\n", omittingEmptySubsequences: false).map { Self.text(String($0)) }
            + [".fi"]
    }

    /// Other pages.
    mutating func seeAlso(_ pages: [String]) {
        heading("See also")
        lines.append(pages.map { Self.text($0) }.joined(separator: ", "))
    }

    /// A text as roff shows it: a backslash and a dash stand for themselves, and a line never begins with a command.
    static func text(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "\"": result += "\\(dq"
            case "…": result += "..."
            case "\n": result += " "
            default: result.append(character)
            }
        }
        return [".", "'"].contains(result.first.map(String.init) ?? "") ? "\\&" + result : result
    }
}
