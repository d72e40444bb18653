import ObjectStore

/// One version of one object: what an open file reads. Data of two versions are never mixed (promise 3).
struct ObjectVersion: Hashable, Sendable {
    /// The object's key.
    var key: ObjectKey
    /// The version's identity; nil where the store gives none, and then only its size can tell it from another.
    var etag: ETag?
    /// The version's size in bytes.
    var size: Int64
}
