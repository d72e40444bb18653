public import Logging
public import ObjectStore

/// A store that notes on this machine what a crash would leave behind in the bucket: multipart uploads under way, and the copies that
/// unlinked files are kept in while they are open.
///
/// **Problem.** Parts of an upload that is neither completed nor aborted cost storage for ever and show in no listing of
/// objects; a copy under `.pail/unlinked/` belongs to handles that die with the process.
///
/// **Design.** A row in the ``Journal`` before such an object is made (for an upload: as soon as its id is known, before its first
/// part), taken away once it is completed, aborted or deleted. The next mount of the same state directory removes what is left:
/// ``removeLeftovers()``. Taking a row away is not waited for: a row too many costs one request that finds nothing.
///
/// Everything else goes straight through. Costs one small transaction an upload, and one an unlinked open file; no request.
///
/// **Limits.** A crash between the store's answer to CreateMultipartUpload and the row leaves an upload without parts that nobody
/// knows: `pail check` finds it.
public final class RecordingStore: ForwardingStore {
    /// The store inside.
    public let base: any ObjectStore
    private let journal: Journal
    private let temporaryPrefix: String
    private let notesUploads: Bool
    private let logger: Logger
    /// What a process before this one has left; taken when this one begins, so that its own work is never among it.
    private let leftUploads: [MultipartUpload]
    private let leftKeys: [ObjectKey]

    /// A store around `base`.
    /// - Parameters:
    ///   - temporaryPrefix: what the keys of objects begin with that nobody needs after this process.
    ///   - notesUploads: false where `base` is a ``WriteBackStore``, whose uploads are on this machine, and which notes those that
    ///     it makes itself.
    public init(
        _ base: any ObjectStore, journal: Journal, temporaryPrefix: String, notesUploads: Bool = true, logger: Logger
    ) {
        self.notesUploads = notesUploads
        self.base = base
        self.journal = journal
        self.temporaryPrefix = temporaryPrefix
        self.logger = logger
        leftUploads = notesUploads ? journal.uploads : []
        leftKeys = journal.hidden
    }

    /// Aborts the uploads and deletes the copies that an earlier process has left; their rows are gone when this returns. What fails is
    /// tried again by the next mount.
    ///
    /// Requests: one AbortMultipartUpload an upload, one DELETE a copy.
    /// - Returns: how many there were.
    @discardableResult
    public func removeLeftovers() async -> Int {
        for upload in leftUploads {
            do throws(StoreError) {
                do throws(StoreError) { try await base.abortUpload(upload) } catch {
                    guard error.kind == .noSuchUpload else { throw error }
                }
                try await note("AbortMultipartUpload", upload.key) { [journal] () async throws(LocalStateError) in
                    try await journal.uploadEnded(upload)
                }
            } catch {
                logger.warning("an upload that an earlier mount has left could not be aborted: \(error)")
            }
        }
        for key in leftKeys {
            do throws(StoreError) {
                try await base.delete(key, if: .none)
                try await note("DeleteObject", key) { [journal] () async throws(LocalStateError) in
                    try await journal.hiddenEnded(key)
                }
            } catch {
                logger.warning("a copy that an earlier mount has left could not be removed: \(error)")
            }
        }
        return leftUploads.count + leftKeys.count
    }

    private func isTemporary(_ key: ObjectKey) -> Bool { key.string.utf8.starts(with: temporaryPrefix.utf8) }

    private func noteTemporary(_ key: ObjectKey) async throws(StoreError) {
        guard isTemporary(key) else { return }
        try await note("CopyObject", key) { [journal] () async throws(LocalStateError) in
            try await journal.hiddenBegan(key)
        }
    }

    private func note(
        _ operation: String, _ key: ObjectKey, _ body: () async throws(LocalStateError) -> Void
    ) async throws(StoreError) {
        do throws(LocalStateError) { try await body() } catch {
            throw StoreError(.bodyUnreadable, operation: operation, key: key, message: "\(error)")
        }
    }

    /// Takes rows away, in its own time.
    private func forget(_ body: @escaping @Sendable () async throws(LocalStateError) -> Void) {
        let logger = logger
        Task {
            do throws(LocalStateError) { try await body() } catch {
                logger.debug("a row of the journal stays until the next mount: \(error)")
            }
        }
    }

    // MARK: ObjectStore

    /// PutObject; noted first where the key is a temporary one.
    public func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        try await noteTemporary(key)
        return try await base.put(key, body: body, metadata: metadata, if: precondition)
    }

    /// DeleteObject.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        try await base.delete(key, if: precondition)
        if isTemporary(key) {
            forget { [journal] () async throws(LocalStateError) in try await journal.hiddenEnded(key) }
        }
    }

    /// DeleteObjects.
    public func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        let failed = try await base.delete(keys)
        let left = Set(failed.compactMap(\.key))
        for key in keys where isTemporary(key) && !left.contains(key) {
            forget { [journal] () async throws(LocalStateError) in try await journal.hiddenEnded(key) }
        }
        return failed
    }

    /// CopyObject; noted first where the goal is a temporary one.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        try await noteTemporary(request.destination)
        return try await base.copy(request)
    }

    /// CreateMultipartUpload, noted before it is used.
    public func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try await noteTemporary(key)
        let upload = try await base.createUpload(key, metadata: metadata)
        guard notesUploads else { return upload }
        do throws(StoreError) {
            try await note("CreateMultipartUpload", key) { [journal] () async throws(LocalStateError) in
                try await journal.uploadBegan(upload)
            }
        } catch {
            // Nobody will be told of it.
            try? await base.abortUpload(upload)
            throw error
        }
        return upload
    }

    /// CompleteMultipartUpload.
    public func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let stored = try await base.completeUpload(upload, parts: parts, if: precondition)
        guard notesUploads else { return stored }
        forget { [journal] () async throws(LocalStateError) in try await journal.uploadEnded(upload) }
        return stored
    }

    /// AbortMultipartUpload.
    public func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        try await base.abortUpload(upload)
        guard notesUploads else { return }
        forget { [journal] () async throws(LocalStateError) in try await journal.uploadEnded(upload) }
    }
}
