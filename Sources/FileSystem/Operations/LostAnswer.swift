internal import Logging
internal import ObjectStore

/// A mutation that took effect although its answer got lost, so that it looks like a failure, or its repetition failed by its
/// own doing: an object made under `If-None-Match: *` is there when it is to be made once more. The store is asked what
/// stands there before a program is told "exists" or "failed".
///
/// Requests: none but after an ambiguous error; then one HEAD.
extension BucketFileSystem {
    /// PutObject of an object that is whole, where an answer that got lost is looked for: what was sent carries its time to
    /// the nanosecond and its owner, so an object of the same size and headers is the one that was sent.
    /// - Throws: the store's error where the key holds something else or nothing; a HEAD's own where that fails, as then
    ///   nobody knows.
    func putWhole(
        _ key: ObjectKey, body: ArrayBody, metadata: ObjectMetadata, if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        do throws(StoreError) {
            return try await store.put(key, body: body, metadata: metadata, if: precondition)
        } catch {
            guard error.isAmbiguous, error.kind != .cancelled else { throw error }
            guard let info = try await store.headOrNil(key), info.size == body.length,
                Self.headers(of: info.metadata, at: key) == Self.headers(of: metadata, at: key)
            else { throw error }
            logger.info("the store took the object although its answer got lost", metadata: ["key": "\(key)"])
            return StoredObject(etag: info.etag, versionID: info.versionID, date: info.lastModified)
        }
    }

    /// The user metadata, in whichever form a directory's marker carries it.
    private static func headers(of metadata: ObjectMetadata, at key: ObjectKey) -> [String: String] {
        key.isDirectoryMarker ? DirectoryMarkerCoding.decode(metadata).user : metadata.user
    }
}
