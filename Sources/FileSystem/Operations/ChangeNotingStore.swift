internal import ObjectStore

/// The store as the file system's verbs use it: every change of a key drops what was fetched ahead of it, and is noted where attributes come
/// from listings.
///
/// Once before the request, and once behind it, for what was fetched meanwhile. Here and not in the verbs, so that none can
/// forget it. No request and no copy of its own.
struct ChangeNotingStore: ForwardingStore {
    /// The store inside.
    let base: any ObjectStore
    /// What was fetched ahead.
    let fetched: FetchedFiles
    /// The same of names and attributes.
    let walk: WalkAhead
    /// What this mount has stored, where somebody wants to know.
    let stored: StoredKeys?
    /// What is kept of attributes from mount to mount.
    let attributes: (any AttributeCache)?

    private func drop(_ key: ObjectKey) {
        fetched.drop(key)
        walk.drop(key)
    }

    private func noteStored(_ key: ObjectKey) {
        drop(key)
        stored?.insert(key)
    }

    func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        noteStored(key)
        defer { drop(key) }
        return try await base.put(key, body: body, metadata: metadata, if: precondition)
    }

    func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        drop(key)
        defer { drop(key) }
        try await base.delete(key, if: precondition)
    }

    func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        for key in keys { drop(key) }
        defer { for key in keys { drop(key) } }
        return try await base.delete(keys)
    }

    func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        noteStored(request.destination)
        // Other headers for the same content: its ETag stays, and on a store that keeps its time as well nothing else tells.
        if request.source == request.destination { attributes?.forget(request.destination) }
        defer { drop(request.destination) }
        return try await base.copy(request)
    }

    func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        noteStored(upload.key)
        defer { drop(upload.key) }
        return try await base.completeUpload(upload, parts: parts, if: precondition)
    }
}
