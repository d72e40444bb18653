import ArgumentParser

/// `pail help-markdown`: prints the parts of `Documentation/CONFIGURATION.md` that come from the code, to be pasted between
/// its marks. A test compares.
struct HelpMarkdownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "help-markdown", abstract: "Print the option reference in Markdown.", shouldDisplay: false)

    func run() {
        print(Self.reference())
    }

    /// Both parts, each between its marks.
    static func reference() -> String {
        """
        <!-- begin: options (made by pail help-markdown) -->
        \(MountHelp.optionReference())
        <!-- end: options -->

        ## Exit status

        <!-- begin: exit status (made by pail help-markdown) -->
        \(MountHelp.exitStatusReference())
        <!-- end: exit status -->
        """
    }
}
