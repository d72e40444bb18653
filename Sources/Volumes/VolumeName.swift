/// The name of a volume, as Docker and Podman allow it: a letter or digit, then letters, digits, `_`, `.` and `-`; at most 200 bytes.
///
/// So it is one component of a path, never `.` or `..`, and leaves room for a suffix within a file name's 255 bytes.
public struct VolumeName: Sendable, Hashable, CustomStringConvertible {
    /// The name itself.
    public let description: String

    /// - Throws: ``VolumeRefusal`` for what cannot be a name.
    public init(_ text: String?) throws(VolumeRefusal) {
        guard let text, !text.isEmpty else { throw VolumeRefusal("the volume's name is missing") }
        let isWord = text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isWord, text.utf8.count <= 200, let first = text.utf8.first, ![0x2D, 0x2E, 0x5F].contains(first) else {
            throw VolumeRefusal(
                "this is no volume's name: a letter or digit expected, then letters, digits, \"_\", \".\" and \"-\", at most 200 in all"
            )
        }
        description = text
    }
}

/// Why a call is refused: a sentence for the person who made it.
public struct VolumeRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// A refusal for a reason, which holds no secret.
    public init(_ reason: String) { description = reason }
}
