/// The identity of an object's content: an opaque string that changes when the content does.
///
/// Held without the quotes that HTTP puts around it, because some stores send them and some do not; the S3 layer adds them
/// where the wire wants them. A weak tag (`W/"…"`) keeps its mark and never equals a strong one.
///
/// **Memory.** A mount remembers a tag for each of a million names. Most are an MD5 sum in hex, alone or with the count of an
/// upload's parts (`d41d…27e-12`): those are held as 18 bytes in place, any other as the text that it is.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html> and RFC 9110, section 8.8.3.
public struct ETag: Hashable, Sendable, CustomStringConvertible {
    /// A tag of 32 lower-case hex digits, alone or followed by `-` and a decimal count of parts.
    public struct Digest: Hashable, Sendable {
        /// The first sixteen digits.
        public var high: UInt64
        /// The last sixteen digits.
        public var low: UInt64
        /// The count behind the dash: 1 to 65,535; 0 where there is none.
        public var parts: UInt16

        /// A tag of the given digits and parts.
        public init(high: UInt64, low: UInt64, parts: UInt16) {
            self.high = high
            self.low = low
            self.parts = parts
        }
    }

    /// A text that is a digest's is never held as text, so that equal tags are equal here.
    private enum Content: Hashable, Sendable {
        case digest(Digest)
        case text(String)
    }

    private let content: Content

    /// A tag as it came from a store, with or without quotes.
    public init(_ text: String) {
        var text = text
        if text.utf8.count >= 2, text.utf8.first == UInt8(ascii: "\""), text.utf8.last == UInt8(ascii: "\"") {
            text = String(text.dropFirst().dropLast())
        }
        self.init(unquoted: text)
    }

    /// A tag of exactly this text: a ``value``.
    public init(unquoted text: String) {
        content = Self.parse(text.utf8).map(Content.digest) ?? .text(text)
    }

    /// A tag of that digest.
    public init(_ digest: Digest) { content = .digest(digest) }

    /// The tag as a digest; nil where it is none.
    public var digest: Digest? { if case .digest(let digest) = content { digest } else { nil } }

    /// The tag without quotes.
    public var value: String {
        switch content {
        case .text(let text): text
        case .digest(let digest): Self.text(of: digest)
        }
    }

    /// The tag as HTTP writes it, in quotes.
    public var quoted: String {
        let value = value
        return value.utf8.starts(with: "W/".utf8) ? value : "\"\(value)\""
    }

    /// The tag without quotes.
    public var description: String { value }

    private static func parse(_ text: String.UTF8View) -> Digest? {
        guard text.count >= 32, text.count <= 38 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var parts: UInt16 = 0
        for (position, byte) in text.enumerated() {
            switch (position, byte) {
            case (0..<32, UInt8(ascii: "0")...UInt8(ascii: "9")), (0..<32, UInt8(ascii: "a")...UInt8(ascii: "f")):
                let digit = UInt64(byte <= UInt8(ascii: "9") ? byte - UInt8(ascii: "0") : byte - UInt8(ascii: "a") + 10)
                if position < 16 { words.0 = words.0 << 4 | digit } else { words.1 = words.1 << 4 | digit }
            case (32, UInt8(ascii: "-")): break
            // No leading zero: the text must come back as it was.
            case (33..., UInt8(ascii: "0")...UInt8(ascii: "9")) where position > 33 || byte != UInt8(ascii: "0"):
                let (tens, overflow) = parts.multipliedReportingOverflow(by: 10)
                let (sum, carry) = tens.addingReportingOverflow(UInt16(byte - UInt8(ascii: "0")))
                if overflow || carry { return nil }
                parts = sum
            default: return nil
            }
        }
        // A dash without a count is no count.
        return text.count == 33 ? nil : Digest(high: words.0, low: words.1, parts: parts)
    }

    private static func text(of digest: Digest) -> String {
        let hex = String(unsafeUninitializedCapacity: 32) { buffer in
            for position in 0..<32 {
                let word = position < 16 ? digest.high : digest.low
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - position % 16 * 4)) & 15
                buffer[position] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
            return 32
        }
        return digest.parts == 0 ? hex : hex + "-" + String(digest.parts)
    }
}
