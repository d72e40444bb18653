public import SystemPackage

/// One component of a path: 1 to 255 bytes of UTF-8 without `/` and NUL, and neither `.` nor `..`.
///
/// Compared byte by byte, as the kernel does; Swift's `String` would take canonically equivalent names for one.
public struct FileName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The longest name, in bytes: `NAME_MAX` of Linux.
    public static let maximumLength = 255

    /// The name as text. Do not compare two names by it: see the type's description.
    public let string: String

    /// A name from the kernel's bytes.
    /// - Throws: `ENAMETOOLONG` over 255 bytes; `EILSEQ` for bytes that are not UTF-8, which no S3 key can hold;
    ///   `EINVAL` for an empty name, `.`, `..`, or one with `/` or NUL in it.
    public init(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        guard bytes.count <= Self.maximumLength else { throw .fileNameTooLong }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw .illegalByteSequence }
        guard let name = FileName(string) else { throw .invalidArgument }
        self = name
    }

    /// A name from text; nil where it is none (see the type's description).
    public init?(_ string: String) {
        var string = string
        string.makeContiguousUTF8()
        guard !string.isEmpty, string.utf8.count <= Self.maximumLength,
            !string.utf8.elementsEqual(".".utf8), !string.utf8.elementsEqual("..".utf8),
            !string.utf8.contains(UInt8(ascii: "/")), !string.utf8.contains(0)
        else { return nil }
        self.string = string
    }

    /// A name from text that was one before.
    init(checked string: String) { self.string = string }

    /// Byte-wise equality.
    public static func == (a: FileName, b: FileName) -> Bool { a.string.utf8.elementsEqual(b.string.utf8) }

    /// Byte-wise order.
    public static func < (a: FileName, b: FileName) -> Bool { a.string.utf8.lexicographicallyPrecedes(b.string.utf8) }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        var copy = string
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// The name's text.
    public var description: String { string }
}
