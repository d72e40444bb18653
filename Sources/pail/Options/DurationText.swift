/// A length of time as a person writes it: `1s`, `500ms`, `2m`, `1h`, `0.5`. A number alone is in seconds.
enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1000),
    ]

    /// The time that `text` tells, to the millisecond; nil where it tells none.
    static func parse(_ text: String) -> Duration? {
        let number = text.prefix { $0 == "." || ($0.isASCII && $0.isWholeNumber) }
        let name = text.dropFirst(number.count)
        guard let unit = units.first(where: { $0.name == name }) else { return nil }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = Int64(parts[0]), whole < 1 << 40 else { return nil }
        var milliseconds = whole * unit.milliseconds
        if parts.count == 2 {
            guard (1...6).contains(parts[1].count), let fraction = Int64(parts[1]) else { return nil }
            var scale: Int64 = 1
            for _ in 0..<parts[1].count { scale *= 10 }
            milliseconds += fraction * unit.milliseconds / scale
        }
        return .milliseconds(milliseconds)
    }

    /// The shortest exact text: `1s`, `1500ms`, `2m`.
    static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        for (name, unit) in [("h", Int64(3_600_000)), ("m", 60_000), ("s", 1000)]
        where milliseconds != 0 && milliseconds % unit == 0 {
            return "\(milliseconds / unit)\(name)"
        }
        return milliseconds == 0 ? "0" : "\(milliseconds)ms"
    }
}
