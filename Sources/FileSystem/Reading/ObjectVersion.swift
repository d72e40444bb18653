import ObjectStore

/// One version of an object's content: what reads are pinned to and what partial updates build on.
struct ObjectVersion: Hashable, Sendable {
    /// Where it is.
    var key: ObjectKey
    /// The content's identity; nil where the store gives none.
    var etag: ETag?
    /// Its size in bytes.
    var size: Int64
}
