/// The number by which the kernel knows an inode for as long as it remembers it (`nodeid` in FUSE's protocol).
public struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number itself.
    public let rawValue: UInt64

    /// An inode's number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The root directory: 1, by FUSE's protocol.
    public static let root = NodeID(rawValue: 1)

    /// Lower numbers first.
    public static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }

    /// `#17`.
    public var description: String { "#\(rawValue)" }
}

/// The number that an open file or directory has between the file system and the kernel (`fh` in FUSE's protocol).
public struct HandleID: Hashable, Sendable {
    /// The number itself.
    public let rawValue: UInt64

    /// A handle's number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}
