/// The texts made from ``S3FSOptionTable``: `s3fs --help`, and the table of the documentation.
enum S3FSHelp {
    /// The first line is the one that scripts look for a version in.
    static let version = """
        Amazon Simple Storage Service File System V\(compatibleVersion) compatible: pail \(PailCommand.version)
        """

    /// The s3fs whose command line is taken.
    static let compatibleVersion = "1.97"

    /// `s3fs --help`
    static func text() -> String {
        var lines = [
            "Mounts a bucket of an S3 store as a file system: Pail, by s3fs's command line.",
            "",
            "Usage: s3fs BUCKET[:/PATH] MOUNTPOINT [options]",
            "       s3fs MOUNTPOINT -o bucket=BUCKET[:/PATH] [options]",
            "       s3fs -u BUCKET                            (or --incomplete-mpu-list)",
            "       s3fs --incomplete-mpu-abort[=all|=AGE] [--yes] BUCKET",
            "",
            "  -f  stay in the foreground and log to standard output",
            "  -d  log what is done (-o dbglevel=info); twice: all (-o dbglevel=dbg)",
            "  -s  one thread for the kernel's requests",
            "  -h, --help, --version",
            "",
            "Unmount with: umount MOUNTPOINT, or fusermount -u MOUNTPOINT",
        ]
        for group in S3FSOptionTable.groups {
            lines += ["", "\(group.title) (-o …):"]
            for option in group.options {
                lines.append("  " + option.usage)
                for name in option.names.dropFirst() { lines[lines.count - 1] += ", \(name)" }
                lines += MountHelp.wrap(effect(option, plain: true), width: 72).map { "        " + $0 }
            }
        }
        return lines.joined(separator: "\n")
    }

    /// The table, in Markdown.
    static func optionReference() -> String {
        var lines: [String] = []
        for group in S3FSOptionTable.groups {
            lines += ["### \(group.title)", "", "| option | under Pail |", "|---|---|"]
            for option in group.options {
                let names = (["`\(option.usage)`"] + option.names.dropFirst().map { "`\($0)`" }).joined(separator: ", ")
                lines.append("| \(escaped(names)) | \(escaped(effect(option, plain: false))) |")
            }
            lines.append("")
        }
        return lines.dropLast().joined(separator: "\n")
    }

    private static func effect(_ option: S3FSOption, plain: Bool) -> String {
        let text: String =
            switch option.effect {
            case .honoured: option.note.isEmpty ? "As in s3fs." : option.note
            case .mapped(let target): "Pail's `\(target)`." + (option.note.isEmpty ? "" : " " + option.note)
            case .withoutEffect(let reason): "No effect: \(reason)."
            case .refused(let reason): "Refused: \(reason)." + (option.note.isEmpty ? "" : " " + option.note)
            }
        return plain ? text.filter { $0 != "`" } : text
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += $1 == "|" ? "\\|" : String($1) }
    }
}
