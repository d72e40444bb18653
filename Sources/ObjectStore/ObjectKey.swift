/// The name of an object in a bucket: 1 to 1,024 bytes of UTF-8, compared byte by byte.
///
/// Swift's `String` compares by canonical equivalence, so that `é` in one code point equals `é` in two. S3 does not: they
/// are two objects. This type keeps the text and compares, orders and hashes its UTF-8 bytes, which is also the order in
/// which S3 lists keys.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>.
public struct ObjectKey: Sendable {
    /// The longest key that S3 takes, in bytes of UTF-8.
    public static let maximumLength = 1024

    /// The key as text. Do not compare two keys by it: see the type's description.
    public let string: String

    /// A key of the given text. No check is made: a store answers for keys that it does not take.
    public init(_ string: String) {
        var string = string
        string.makeContiguousUTF8()
        self.string = string
    }

    /// The number of bytes in the key.
    public var utf8Count: Int { string.utf8.count }

    /// Whether the key's bytes begin with those of `prefix`.
    public func hasPrefix(_ prefix: String) -> Bool { string.utf8.starts(with: prefix.utf8) }

    /// Whether the key ends in `/`, which by convention makes it the marker of a directory.
    public var isDirectoryMarker: Bool { string.utf8.last == UInt8(ascii: "/") }
}

extension ObjectKey: Hashable, Comparable {
    /// Byte-wise equality.
    public static func == (a: ObjectKey, b: ObjectKey) -> Bool { a.string.utf8.elementsEqual(b.string.utf8) }

    /// Byte-wise order: the order of an S3 listing.
    public static func < (a: ObjectKey, b: ObjectKey) -> Bool { a.string.utf8.lexicographicallyPrecedes(b.string.utf8) }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        var copy = string
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xFF as UInt8)
    }
}

extension ObjectKey: CustomStringConvertible, ExpressibleByStringLiteral {
    /// The key's text.
    public var description: String { string }

    /// A key from a literal.
    public init(stringLiteral value: String) { self.init(value) }
}
