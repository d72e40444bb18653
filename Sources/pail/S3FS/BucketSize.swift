/// s3fs's `bucket_size=`: a number with `GB`, `GiB`, `TB`, `TiB`, `PB`, `PiB`, `EB` or `EiB`, or of bytes.
enum BucketSize {
    private static let units: [(name: String, bytes: Int64)] = [
        ("gb", 1_000_000_000), ("gib", 1 << 30), ("tb", 1_000_000_000_000), ("tib", 1 << 40),
        ("pb", 1_000_000_000_000_000), ("pib", 1 << 50), ("eb", 1_000_000_000_000_000_000), ("eib", 1 << 60), ("", 1),
    ]

    /// The bytes; nil where the text tells none, nothing, or more than `Int64` holds.
    static func parse(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        let name = text.dropFirst(digits.count).lowercased()
        guard let number = Int64(digits), number > 0, let unit = units.first(where: { $0.name == name }) else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : bytes
    }
}
