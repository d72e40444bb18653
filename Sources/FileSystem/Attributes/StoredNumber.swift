/// Numbers as metadata hold them: the rules of strtoll(3), less its silent acceptance of what does not fit.
///
/// Whitespace around the number is passed over. Anything else that is no digit, an empty text and a number out of range
/// give nil, which the caller takes for "malformed".
enum StoredNumber {
    /// A number that is not negative, in `base` 8, 10 or 16. Base 0 takes the base from the text, as in C: `0x1F`, `017`, `15`.
    static func parse(_ text: some StringProtocol, base: Int, upTo limit: UInt64) -> UInt64? {
        var digits = trimmed(text)
        if digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
        var base = base
        if base == 0 || base == 16, digits.count > 2, digits.first == UInt8(ascii: "0"),
            digits[digits.startIndex + 1] | 0x20 == UInt8(ascii: "x")
        {
            digits = digits.dropFirst(2)
            base = 16
        } else if base == 0 {
            base = digits.first == UInt8(ascii: "0") ? 8 : 10
        }
        guard !digits.isEmpty else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard let number = Self.value(of: digit), number < base else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: UInt64(base))
            let (sum, overflowToo) = product.addingReportingOverflow(UInt64(number))
            guard !overflow, !overflowToo, sum <= limit else { return nil }
            value = sum
        }
        return value
    }

    /// The bytes without the whitespace around them.
    static func trimmed(_ text: some StringProtocol) -> ArraySlice<UInt8> {
        var bytes = ArraySlice(Array(text.utf8))
        while let first = bytes.first, isSpace(first) { bytes = bytes.dropFirst() }
        while let last = bytes.last, isSpace(last) { bytes = bytes.dropLast() }
        return bytes
    }

    /// Space, tab, carriage return, line feed.
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }

    /// A digit's value, letters from 10 on.
    static func value(of digit: UInt8) -> Int? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(digit - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(digit - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
