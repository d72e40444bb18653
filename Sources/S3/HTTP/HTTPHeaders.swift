/// The header fields of an answer, as they came: one array of bytes, searched when a value is asked for.
///
/// A request asks for a handful of the 10 to 20 fields, so turning all of them into a dictionary of strings would cost
/// more than all the rest of a HEAD. Names are compared without regard to case (RFC 9110, section 5.1).
struct HTTPHeaders: Sendable {
    /// The lines, each ended by LF or CRLF, without the status line.
    private let bytes: [UInt8]

    /// Fields from the lines of an answer.
    init(lines: [UInt8] = []) { bytes = lines }

    /// The value of the first field of that name, without the white space around it; nil where there is none.
    ///
    /// - Parameter name: in lower case.
    func value(_ name: StaticString) -> String? {
        let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        var found: String?
        forEach { name, value in
            guard name.count == wanted.count else { return true }
            for index in 0..<name.count where Self.lowercase(name[index]) != wanted[index] { return true }
            found = String(decoding: value, as: UTF8.self)
            return false
        }
        return found
    }

    /// The value of a field as a decimal number without a sign; nil where it is none or does not fit.
    func integer(_ name: StaticString) -> Int64? { value(name).flatMap { Self.parseDecimal($0.utf8) } }

    /// Calls `body` with each field's name (as sent) and value until it returns false. A line without a colon is passed over.
    func forEach(_ body: (_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) -> Bool) {
        bytes.withUnsafeBufferPointer { bytes in
            var start = 0
            while start < bytes.count {
                var end = start
                var colon = -1
                while end < bytes.count, bytes[end] != UInt8(ascii: "\n") {
                    if colon < 0, bytes[end] == UInt8(ascii: ":") { colon = end }
                    end += 1
                }
                if colon > start {
                    var first = colon + 1
                    var last = end
                    while first < last, Self.isSpace(bytes[first]) { first += 1 }
                    while last > first, Self.isSpace(bytes[last - 1]) { last -= 1 }
                    let go = body(
                        UnsafeBufferPointer(rebasing: bytes[start..<colon]),
                        UnsafeBufferPointer(rebasing: bytes[first..<last]))
                    if !go { return }
                }
                start = end + 1
            }
        }
    }

    /// A letter of ASCII in lower case; any other byte as it is.
    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 32 : byte }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }

    /// A decimal number of 1 to 18 digits and nothing else.
    static func parseDecimal(_ digits: some Collection<UInt8>) -> Int64? {
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var number: Int64 = 0
        for digit in digits {
            guard digit >= 48, digit <= 57 else { return nil }
            number = number * 10 + Int64(digit - 48)
        }
        return number
    }
}

/// `Content-Range: bytes 0-99/1000` (RFC 9110, section 14.4).
struct ContentRange: Equatable, Sendable {
    /// The bytes that follow; nil for `bytes */1000`, which comes with a 416.
    var range: Range<Int64>?
    /// The whole object's size; nil for `*`.
    var total: Int64?

    /// The parts of a header's value; nil where it is none of the two forms or contradicts itself.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count > 6, Array("bytes ".utf8) == bytes[..<6].map(HTTPHeaders.lowercase),
            let slash = bytes.firstIndex(of: UInt8(ascii: "/"))
        else { return nil }
        let left = bytes[6..<slash]
        let right = bytes[(slash + 1)...]
        if !right.elementsEqual("*".utf8) {
            guard let size = HTTPHeaders.parseDecimal(right) else { return nil }
            total = size
        }
        if !left.elementsEqual("*".utf8) {
            guard let dash = left.firstIndex(of: UInt8(ascii: "-")),
                let first = HTTPHeaders.parseDecimal(left[..<dash]),
                let last = HTTPHeaders.parseDecimal(left[(dash + 1)...]), first <= last
            else { return nil }
            range = first..<last + 1
        }
        if let range, let total, range.upperBound > total { return nil }
    }
}
