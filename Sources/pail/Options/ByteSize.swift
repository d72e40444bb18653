/// A number of bytes as a person writes it: `8MiB`, `512K`, `1GiB`, `4096`.
///
/// `K`, `M`, `G` and `T` are powers of 1,024, as are `KiB` and so on; `KB`, `MB`, `GB` and `TB` are powers of 1,000. Case does not
/// matter.
enum ByteSize {
    private static let units: [(name: String, bytes: Int64)] = [
        ("tib", 1 << 40), ("gib", 1 << 30), ("mib", 1 << 20), ("kib", 1 << 10),
        ("tb", 1_000_000_000_000), ("gb", 1_000_000_000), ("mb", 1_000_000), ("kb", 1000),
        ("t", 1 << 40), ("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("b", 1), ("", 1),
    ]

    /// The number of bytes that `text` tells; nil where it tells none, or more than `Int64` holds.
    static func parse(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        guard let number = Int64(digits) else { return nil }
        let name = text.dropFirst(digits.count).lowercased()
        guard let unit = units.first(where: { $0.name == name }) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : bytes
    }

    /// The shortest exact text: `8MiB`.
    static func format(_ bytes: Int64) -> String {
        for (name, unit) in [("TiB", Int64(1) << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes != 0 && bytes % unit == 0 {
            return "\(bytes / unit)\(name)"
        }
        return "\(bytes)"
    }
}
