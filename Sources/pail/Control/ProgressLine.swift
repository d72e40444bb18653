import Glibc

/// One line on a terminal that is written over and over while something takes its time. Where standard error is no terminal nothing
/// is written: a log full of progress helps nobody.
struct ProgressLine: ~Copyable {
    private let isTerminal = isatty(2) == 1
    private var width = 0
    private var most = 0

    /// Shows what is still to be stored, as a bar of what has been done since the first call.
    mutating func show(_ pending: MountStatus.Pending) {
        guard isTerminal else { return }
        most = max(most, pending.changes)
        guard most > 0 else { return }
        write(Self.bar(done: most - pending.changes, of: most, bytes: pending.bytes))
    }

    /// `[====    ] 3/6 stored, 5 MiB to go`
    static func bar(done: Int, of most: Int, bytes: Int64) -> String {
        let filled = 24 * done / max(1, most)
        let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: 24 - filled)
        return "[\(bar)] \(done)/\(most) stored, \(ByteText.short(bytes)) to go"
    }

    /// Takes the line away.
    mutating func clear() {
        guard isTerminal, width > 0 else { return }
        write("")
        Glibc.write(2, "\r", 1)
    }

    private mutating func write(_ text: String) {
        let line = "\r" + text + String(repeating: " ", count: max(0, width - text.utf8.count))
        width = text.utf8.count
        _ = line.withCString { Glibc.write(2, $0, strlen($0)) }
    }
}

/// Numbers of bytes for people.
enum ByteText {
    /// Three digits and a binary unit: `1.5 MiB`.
    static func short(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(bytes) B" : "\(tenths(value)) \(unit)" }
            value /= 1024
        }
        return "\(tenths(value)) TiB"
    }

    private static func tenths(_ value: Double) -> String {
        let rounded = Int64((value * 10).rounded())
        return value >= 100 ? "\((rounded + 5) / 10)" : "\(rounded / 10).\(rounded % 10)"
    }
}
