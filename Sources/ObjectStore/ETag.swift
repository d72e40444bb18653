/// The identity of an object's content: an opaque string that changes when the content does.
///
/// Held without the quotes that HTTP puts around it, because some stores send them and some do not; the S3 layer adds them
/// where the wire wants them. A weak tag (`W/"…"`) keeps its mark and never equals a strong one.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html> and RFC 9110, section 8.8.3.
public struct ETag: Hashable, Sendable, CustomStringConvertible {
    /// The tag without quotes.
    public let value: String

    /// A tag as it came from a store, with or without quotes.
    public init(_ text: String) {
        if text.utf8.count >= 2, text.utf8.first == UInt8(ascii: "\""), text.utf8.last == UInt8(ascii: "\"") {
            value = String(text.dropFirst().dropLast())
        } else {
            value = text
        }
    }

    /// The tag as HTTP writes it, in quotes.
    public var quoted: String { value.utf8.starts(with: "W/".utf8) ? value : "\"\(value)\"" }

    /// The tag without quotes.
    public var description: String { value }
}
