/// The texts made from ``MountOptionTable``: `pail mount --help`, and the option reference of the documentation.
enum MountHelp {
    /// The help for a terminal of 80 columns.
    static func text() -> String {
        var lines = [
            "Mounts a bucket of an S3 store as a file system.",
            "",
            "Usage: pail mount s3://BUCKET[/PREFIX] MOUNTPOINT [options]",
            "       pail mount NAME [options]      (what /etc/pail/mounts.d/NAME.conf says)",
            "",
            "Returns once the mount answers, with 0, or with a line that says what is wrong.",
            "Every option may also stand in a list: -o part_size=16MiB,ro,allow_other",
            "SIZE is a number with K, M, G, T or KiB … (powers of 1,024) or KB … (of 1,000).",
            "TIME is a number with ms, s, m or h; alone it is in seconds.",
        ]
        for group in MountOptionTable.groups {
            lines += ["", "\(group.title):"]
            for option in group.options {
                lines += entry(option)
            }
        }
        lines += [
            "",
            "  -h, --help",
            "        This text.",
            "",
            "Ignored in a list: _netdev, auto, noauto, user, nouser, users, owner, group,",
            "nofail, defaults, comment=…, x-…",
            "Credentials: the environment, AWS's shared files, s3fs's files; see pail's",
            "Documentation/CONFIGURATION.md.",
        ]
        return lines.joined(separator: "\n")
    }

    private static func entry(_ option: OptionSpec) -> [String] {
        ["  " + terms(option)] + wrap(explanation(option), width: 72).map { "        " + $0 }
    }

    /// How an option is written: `-r, --read-only`.
    static func terms(_ option: OptionSpec) -> String { (option.short.map { "-\($0), " } ?? "") + option.usage }

    /// What an option does, what it takes, and its default.
    static func explanation(_ option: OptionSpec) -> String { option.help + remark(option) }

    private static func remark(_ option: OptionSpec) -> String {
        var parts: [String] = []
        if let accepted = option.accepted { parts.append(accepted) }
        if let standard = option.standard { parts.append("default: \(standard)") }
        return parts.isEmpty ? "" : " (\(parts.joined(separator: "; ")))"
    }

    /// Breaks at spaces into lines of at most `width` characters, where words allow it.
    static func wrap(_ text: String, width: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let line = lines[lines.count - 1]
            if line.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if line.count + 1 + word.count <= width {
                lines[lines.count - 1] = line + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    /// The option reference, in Markdown.
    static func optionReference() -> String {
        var lines: [String] = []
        for group in MountOptionTable.groups {
            lines += ["### \(group.title)", "", "| option | values | default | what it does |", "|---|---|---|---|"]
            for option in group.options {
                let short = option.short.map { ", `-\($0)`" } ?? ""
                let aliases = option.aliases.map { ", `-o \($0)`" }.joined()
                let cells = [
                    "`\(option.usage)`\(short)\(aliases)", option.accepted ?? "", option.standard ?? "", option.help,
                ]
                lines.append("| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |")
            }
            lines.append("")
        }
        return lines.dropLast().joined(separator: "\n")
    }

    /// The table of exit statuses, in Markdown.
    static func exitStatusReference() -> String {
        (["| status | meaning |", "|---|---|"] + ExitStatus.allCases.map { "| \($0.rawValue) | \($0.meaning) |" })
            .joined(separator: "\n")
    }
}

extension String {
    /// Every `part` replaced.
    fileprivate func replacing(_ part: Character, with other: String) -> String {
        reduce(into: "") { result, character in
            if character == part { result += other } else { result.append(character) }
        }
    }
}
