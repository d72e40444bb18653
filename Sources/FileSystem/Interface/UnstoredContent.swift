public import ObjectStore

/// The content of a file that the store did not take, and what it takes to store it later.
public struct UnstoredContent: Sendable {
    /// A stretch of it, behind the one before.
    public enum Piece: Sendable {
        /// Bytes that this machine has. The body is to be read before ``UnstoredLog/keep(_:replacing:)`` returns.
        case bytes(any RequestBody)
        /// Bytes that are in the bucket: a range of one version of an object.
        case stored(key: ObjectKey, etag: ETag?, range: Range<Int64>)
    }

    /// Why the store did not take it.
    public enum Cause: Sendable, Equatable {
        /// Somebody else's version is in the way: which of the two counts, a person has to say.
        case conflict
        /// Something that may pass: the store is gone, or refuses for now.
        case failure
    }

    /// The key that it belongs under.
    public var key: ObjectKey
    /// Its headers.
    public var metadata: ObjectMetadata
    /// What it consists of.
    public var pieces: [Piece]
    /// The version of `key` that it takes the place of; nil where none was known there.
    public var base: ETag?
    /// Why it is kept.
    public var cause: Cause
    /// The store's words.
    public var reason: String

    /// A content with all there is to say of it.
    public init(
        key: ObjectKey, metadata: ObjectMetadata, pieces: [Piece], base: ETag?, cause: Cause, reason: String
    ) {
        self.key = key
        self.metadata = metadata
        self.pieces = pieces
        self.base = base
        self.cause = cause
        self.reason = reason
    }
}

/// Keeps on this machine what a close could not store, so that it outlives the process (promise 1: a failed upload never discards
/// data; promise 4: of two versions both are kept).
public protocol UnstoredLog: Sendable {
    /// Keeps a content: durable when this returns. A ``UnstoredContent/Cause/failure`` is stored by the next mount, if the process dies
    /// before it is told to ``drop(_:)`` it; a ``UnstoredContent/Cause/conflict`` stays until a person has taken it.
    /// - Parameter earlier: the number of what it takes the place of.
    /// - Returns: its number, for ``drop(_:)``; nil for a conflict, which nobody but a person drops.
    /// - Throws: where it cannot be kept; what was kept before stays then.
    func keep(_ content: UnstoredContent, replacing earlier: Int64?) async throws -> Int64?
    /// It is stored, or nobody wants it any more.
    func drop(_ number: Int64) async
}
