package import ObjectStore

/// One version of one object: what an open file reads. Data of two versions are never mixed (promise 3).
package struct ObjectVersion: Hashable, Sendable {
    /// The object's key.
    package var key: ObjectKey
    /// The version's identity; nil where the store gives none, and then only its size can tell it from another.
    package var etag: ETag?
    /// The version's size in bytes.
    package var size: Int64

    /// A version of the given parts.
    package init(key: ObjectKey, etag: ETag?, size: Int64) {
        self.key = key
        self.etag = etag
        self.size = size
    }
}
