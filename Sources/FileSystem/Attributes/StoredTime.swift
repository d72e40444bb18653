import ObjectStore

/// A time as metadata hold it: seconds since 1970 in decimal, and nine digits of nanoseconds after a point where there are
/// any.
///
/// s3fs takes the digits after the point for a plain number of nanoseconds, so that `1.5` is five nanoseconds to it. Pail
/// always writes nine and so agrees with it; it reads fewer as the fraction they are, because rclone and others write such.
///
/// A time before 1970 is stored the way s3fs's `"%ld.%09ld"` has it: the seconds rounded down and signed, the nanoseconds
/// counted up from there; `-1.500000000` is half a second before 1970.
enum StoredTime {
    /// The text for a time.
    static func text(_ time: Timestamp) -> String {
        guard time.nanoseconds != 0 else { return String(time.seconds) }
        let digits = String(time.nanoseconds)
        return "\(time.seconds).\(String(repeating: "0", count: max(0, 9 - digits.utf8.count)))\(digits)"
    }

    /// The time that a text tells; nil where it tells none. Digits after the ninth are passed over.
    static func parse(_ text: some StringProtocol) -> Timestamp? {
        var bytes = StoredNumber.trimmed(text)
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { bytes = bytes.dropFirst() }

        let whole = bytes.prefix { $0 != UInt8(ascii: ".") }
        let fraction = bytes.dropFirst(whole.count + 1)
        guard !whole.isEmpty, let seconds = magnitude(whole) else { return nil }

        var nanoseconds: Int32 = 0
        var digits = 0
        for byte in fraction {
            guard let digit = digit(byte) else { return nil }
            if digits < 9 {
                nanoseconds = nanoseconds * 10 + Int32(digit)
                digits += 1
            }
        }
        while digits < 9 {
            nanoseconds *= 10
            digits += 1
        }
        return Timestamp(seconds: isNegative ? -seconds : seconds, nanoseconds: nanoseconds)
    }

    private static func magnitude(_ bytes: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for byte in bytes {
            guard let digit = digit(byte) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowToo) = product.addingReportingOverflow(digit)
            guard !overflow, !overflowToo else { return nil }
            value = sum
        }
        return value
    }

    private static func digit(_ byte: UInt8) -> Int64? {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        return Int64(byte - UInt8(ascii: "0"))
    }
}
