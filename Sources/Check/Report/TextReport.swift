/// A report for a person at a terminal of 80 columns: one paragraph for each kind of finding, worst first, and one line of
/// summary at the end.
public struct TextReport: Sendable {
    /// How much is said.
    public struct Style: Sendable {
        /// Escape sequences for colours.
        public var hasColour = false
        /// Findings shown of a kind.
        public var examples = 10
        /// The columns of the terminal.
        public var width = 80
        /// The command to repeat with other options: `pail check s3://bucket`.
        public var command = "pail check"
        /// What was checked: `s3://bucket`.
        public var source = ""
        /// How long it took, in seconds.
        public var seconds = 0.0
        /// What was not to be mended.
        public var mending = CheckOptions.Mending.nothing

        /// A style without colour.
        public init() {}
    }

    private let report: CheckReport
    private let style: Style

    /// A report in a style.
    public init(_ report: CheckReport, style: Style) {
        self.report = report
        self.style = style
    }

    /// The whole text, a line each.
    public var lines: [String] {
        var lines: [String] = []
        let kinds = report.ordered
        for severity in Severity.allCases.sorted(by: >) {
            for (check, kind) in kinds where check.severity == severity { lines += paragraph(check, kind) + [""] }
        }
        for error in report.errors { lines += wrap("NOT CHECKED: \(Self.printable(error))", indent: 2) }
        if !report.errors.isEmpty { lines.append("") }
        for remark in report.remarks { lines += wrap("(\(Self.printable(remark)))", indent: 1) }
        if !report.remarks.isEmpty { lines.append("") }
        return lines + wrap(summary, indent: 2)
    }

    private func paragraph(_ check: CheckInfo, _ kind: CheckReport.Kind) -> [String] {
        let number = kind.found
        let title = "\(Self.grouped(number)) \(number == 1 ? check.title.one : check.title.many)"
        let word: String =
            switch check.severity {
            case .note: "note"
            case .problem: "PROBLEM"
            case .damage: "DAMAGE"
            }
        var lines = wrap("\(word)  \(check.name): \(title)", indent: 2)
        if style.hasColour {
            let colour =
                switch check.severity {
                case .note: "36"
                case .problem: "33"
                case .damage: "31"
                }
            lines[0] = "\u{1B}[1;\(colour)m\(word)\u{1B}[0m" + lines[0].dropFirst(word.count)
        }
        lines += wrap("  " + check.explanation, indent: 2)
        for example in kind.examples.prefix(style.examples) {
            let mark =
                switch example.state {
                case .found: "-"
                case .mended: "+"
                case .failed: "!"
                }
            // A key is not broken: it is there to be copied.
            var line = "    \(mark) \(Self.printable(example.key))"
            for more in [example.detail, example.remark ?? ""] where !more.isEmpty {
                let text = Self.printable(more)
                if line.count + text.count + 3 > style.width {
                    lines.append(line)
                    line = "        " + text
                } else {
                    line += "  (\(text))"
                }
            }
            lines.append(line)
        }
        let hidden = number - min(number, min(style.examples, kind.examples.count))
        if hidden > 0 {
            lines += wrap(
                "    … and \(Self.grouped(hidden)) more"
                    + (kind.examples.count > style.examples ? "; -v shows more, --json up to 1,000" : ""), indent: 4)
        }
        if kind.mended > 0 {
            lines += wrap(
                "  Mended: \(Self.grouped(kind.mended))\(kind.left > 0 ? ", left: \(kind.left)" : "").", indent: 2)
        }
        if kind.left > 0 { lines += wrap("  What to do: " + check.mending, indent: 2) }
        return lines
    }

    private var summary: String {
        let problems = report.left(.problem)
        let notes = report.left(.note) - problems
        var parts = [
            "\(Self.count(report.objects, "object")) in \(Self.count(report.requests, "request")), \(seconds) s"
        ]
        if report.headed > 0 { parts[0] += ", headers of \(Self.grouped(report.headed)) read" }
        if report.verified > 0 { parts[0] += ", contents of \(Self.grouped(report.verified)) read" }
        if report.mended > 0 { parts.append("\(Self.grouped(report.mended)) mended") }
        parts.append(problems == 0 ? "no problem left" : "\(Self.count(problems, "problem")) left")
        if notes > 0 { parts.append(Self.count(notes, "note")) }
        if !report.errors.isEmpty { parts.append("\(Self.grouped(report.errors.count)) not checked") }
        var text = "\(style.source): \(parts.joined(separator: "; "))."
        if report.isInterrupted {
            text += " Not finished: \(style.command) --resume goes on."
        } else if mendable > 0, style.mending != .all {
            text += " \(style.command) -y mends \(mendable == problems ? "them" : Self.grouped(mendable))."
        }
        return text
    }

    /// Problems that `-y` would mend.
    private var mendable: Int {
        report.ordered.filter { $0.check.severity >= .problem && $0.check.repair != .never }.reduce(0) {
            $0 + $1.kind.left
        }
    }

    private var seconds: String {
        let tenths = Int((style.seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Breaks at spaces; what follows the first line is indented.
    private func wrap(_ text: String, indent: Int) -> [String] {
        let start = text.prefix { $0 == " " }
        var lines: [String] = []
        var line = String(start)
        var isEmpty = true
        for word in text.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > style.width {
                lines.append(line)
                line = String(repeating: " ", count: indent) + word
            } else {
                line += (isEmpty ? "" : " ") + word
            }
            isEmpty = false
        }
        lines.append(line)
        return lines
    }

    /// Text from the bucket made fit for a terminal: no control characters.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let value = scalar.value
            let isControl = value < 0x20 || (0x7F...0x9F).contains(value) || value == 0x2028 || value == 0x2029
            if isControl {
                result += "\\u{\(String(value, radix: 16, uppercase: true))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func count(_ number: Int, _ word: String) -> String {
        "\(grouped(number)) \(word)\(number == 1 ? "" : "s")"
    }

    /// `1,234,567`
    static func grouped(_ number: Int) -> String {
        var digits = String(number)
        var result = ""
        while digits.count > 3 {
            result = "," + digits.suffix(3) + result
            digits = String(digits.dropLast(3))
        }
        return digits + result
    }
}
