public import ObjectStore
import Synchronization

/// A multipart upload that is collected on this machine.
struct LocalUpload: Sendable {
    struct Part: Sendable {
        var pieces: [ContentPiece]
        var etag: ETag
        var staged: ContentShelf.Staged?
    }

    var key: ObjectKey
    var metadata: ObjectMetadata
    var parts: [Int: Part] = [:]
    /// The store's own upload, once there was no room here.
    var remote: MultipartUpload?
    var remoteParts: [Int: UploadedPart] = [:]
}

/// Multipart uploads: parts are kept here, and the completion makes one intent of them.
///
/// Parts are written without an fsync; the completion syncs them all. A part that is copied names a range of a version; where
/// that is pending, the completion puts in what it consists of. Parts of an upload that is never completed are files that no
/// row names, and go at the next start.
///
/// Where the disk has no room for a part, the upload moves over to the store with all its parts, and goes on there.
extension WriteBackStore {
    private static var uploadPrefix: String { "pail-local-" }

    /// CreateMultipartUpload: no request.
    public func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try check(key, metadata, "CreateMultipartUpload")
        return state.withLock { state in
            state.lastUpload += 1
            let id = Self.uploadPrefix + String(state.lastUpload)
            state.uploads[id] = LocalUpload(key: key, metadata: metadata)
            return MultipartUpload(key: key, id: id)
        }
    }

    private func local(_ upload: MultipartUpload, _ operation: String) throws(StoreError) -> LocalUpload? {
        guard upload.id.utf8.starts(with: Self.uploadPrefix.utf8) else { return nil }
        guard let found = state.withLock({ $0.uploads[upload.id] }), found.key == upload.key else {
            throw noSuchUpload(operation, upload)
        }
        return found
    }

    private func noSuchUpload(_ operation: String, _ upload: MultipartUpload) -> StoreError {
        StoreError(
            .noSuchUpload, operation: operation, key: upload.key, status: 404, code: "NoSuchUpload",
            message: "the specified multipart upload does not exist")
    }

    private func checkNumber(_ number: Int, _ operation: String, _ key: ObjectKey) throws(StoreError) {
        guard (1...features.maximumPartCount).contains(number) else {
            throw Self.invalid(
                operation, key, "InvalidArgument", "part numbers go from 1 to \(features.maximumPartCount)")
        }
    }

    /// UploadPart: no request; one copy of the body to the disk.
    public func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart
    {
        guard let found = try local(upload, "UploadPart") else {
            return try await base.uploadPart(upload, number: number, body: body)
        }
        try checkNumber(number, "UploadPart", upload.key)
        guard body.length <= features.maximumPartSize else {
            throw StoreError(
                .limitExceeded, operation: "UploadPart", key: upload.key, status: 400, code: "EntityTooLarge",
                message: "the part is larger than one request may carry")
        }
        if found.remote == nil {
            do throws(LocalStateError) {
                let staged = try await shelf.stage(body)
                let pieces = [ContentPiece.local(content: staged.id, range: 0..<staged.length)].filter { $0.count > 0 }
                if let part = add(pieces, staged, number, upload) { return part }
                shelf.release([staged.id])
            } catch {
                guard error.kind == .diskFull else { throw Self.local(error, "UploadPart", upload.key) }
                noteNoRoom(error)
            }
        }
        return try await locks.with([lock(upload)]) { () throws(StoreError) in
            let remote = try await moveOver(upload)
            let part = try await base.uploadPart(remote, number: number, body: body)
            return try note(part, upload)
        }
    }

    /// The lock under which an upload moves over: no key of the bucket begins so.
    private func lock(_ upload: MultipartUpload) -> ObjectKey { ObjectKey("\u{0}" + upload.id) }

    /// Notes a part kept here; nil where the upload has moved over or is gone.
    private func add(
        _ pieces: [ContentPiece], _ staged: ContentShelf.Staged?, _ number: Int, _ upload: MultipartUpload
    ) -> UploadedPart? {
        let (part, replaced): (UploadedPart?, LocalUpload.Part?) = state.withLock { state in
            guard state.uploads[upload.id] != nil, state.uploads[upload.id]?.remote == nil else { return (nil, nil) }
            let etag = state.table.etags.next()
            let replaced = state.uploads[upload.id]?.parts.updateValue(
                LocalUpload.Part(pieces: pieces, etag: etag, staged: staged), forKey: number)
            return (UploadedPart(number: number, etag: etag), replaced)
        }
        if let staged = replaced?.staged { shelf.release([staged.id]) }
        return part
    }

    private func note(_ part: UploadedPart, _ upload: MultipartUpload) throws(StoreError) -> UploadedPart {
        let isThere = state.withLock { state in
            state.uploads[upload.id]?.remoteParts[part.number] = part
            return state.uploads[upload.id] != nil
        }
        guard isThere else { throw noSuchUpload("UploadPart", upload) }
        return part
    }

    /// UploadPartCopy: one HEAD where the source is not pending.
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        let found = try local(upload, "UploadPartCopy")
        try checkNumber(number, "UploadPartCopy", upload.key)
        guard base.features.partCopies || found == nil else {
            throw StoreError(
                .notImplemented, operation: "UploadPartCopy", key: upload.key, status: 501, code: "NotImplemented",
                message: "the store cannot copy parts")
        }
        let info = try await head(source)
        if let ifMatch, ifMatch != info.etag { throw Self.preconditionFailed("UploadPartCopy", source) }
        guard range.lowerBound >= 0, !range.isEmpty, range.upperBound <= info.size else {
            throw Self.invalid(
                "UploadPartCopy", upload.key, "InvalidArgument",
                "the range is not valid for a source of \(info.size) bytes")
        }
        if let found, found.remote == nil,
            let part = add([.stored(key: source, etag: info.etag, range: range)], nil, number, upload)
        {
            return part
        }
        return try await locks.with([lock(upload)]) { () throws(StoreError) in
            let remote = found == nil ? upload : try await moveOver(upload)
            let part = try await copyThrough(remote, number, source, range, info.etag)
            return found == nil ? part : try note(part, upload)
        }
    }

    private func copyThrough(
        _ remote: MultipartUpload, _ number: Int, _ source: ObjectKey, _ range: Range<Int64>, _ etag: ETag?
    ) async throws(StoreError) -> UploadedPart {
        try await locks.with([source]) { () throws(StoreError) in
            try await through("UploadPartCopy", source, if: etag.map { .matches($0) } ?? .none) {
                asked throws(StoreError) in
                var stored: ETag?
                if case .matches(let version) = asked { stored = version }
                return try await base.copyPart(remote, number: number, from: source, range: range, ifMatch: stored)
            }
        }
    }

    /// CompleteMultipartUpload: no request; one fdatasync a part, one fsync of their folder, one transaction.
    public func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        guard let found = try local(upload, "CompleteMultipartUpload") else {
            return try await locks.with([upload.key]) { () throws(StoreError) in
                try await through("CompleteMultipartUpload", upload.key, if: precondition) { asked throws(StoreError) in
                    try await base.completeUpload(upload, parts: parts, if: asked)
                }
            }
        }
        if found.remote != nil || mustAsk(upload.key, precondition) {
            return try await completeThrough(upload, parts, precondition)
        }
        let chosen = try choose(parts, of: found, upload)
        let pieces = chosen.flatMap(\.pieces)
        let staged = chosen.compactMap(\.staged)
        let sources = pieces.compactMap { piece in if case .stored(let key, _, _) = piece { key } else { nil } }
        let object: StoredObject? = try await locks.with([upload.key] + sources) { () throws(StoreError) in
            do throws(AdmissionError) {
                let intent = try await admit("CompleteMultipartUpload", upload.key, staged: staged) {
                    state throws(StoreError) in
                    try draft(
                        .put, upload.key, if: precondition, metadata: found.metadata,
                        pieces: try resolved(pieces, state.table), operation: "CompleteMultipartUpload", &state)
                }
                return stored(intent)
            } catch {
                switch error {
                case .refused(let refusal): throw refusal
                case .noRoom(let failure):
                    noteNoRoom(failure)
                    return nil
                }
            }
        }
        guard let object else { return try await completeThrough(upload, parts, precondition) }
        forget(upload)
        return object
    }

    /// The parts named, checked as S3 checks them.
    private func choose(_ parts: [UploadedPart], of found: LocalUpload, _ upload: MultipartUpload) throws(StoreError)
        -> [LocalUpload.Part]
    {
        let operation = "CompleteMultipartUpload"
        guard !parts.isEmpty else {
            throw Self.invalid(operation, upload.key, "MalformedXML", "at least one part has to be named")
        }
        var chosen: [LocalUpload.Part] = []
        var size: Int64 = 0
        for (index, part) in parts.enumerated() {
            if index > 0, part.number <= parts[index - 1].number {
                throw Self.invalid(operation, upload.key, "InvalidPartOrder", "the parts are not in ascending order")
            }
            guard let held = found.parts[part.number], held.etag == part.etag else {
                throw Self.invalid(operation, upload.key, "InvalidPart", "part \(part.number) could not be found")
            }
            if index < parts.count - 1, held.pieces.length < features.minimumPartSize {
                throw StoreError(
                    .limitExceeded, operation: operation, key: upload.key, status: 400, code: "EntityTooSmall",
                    message: "part \(part.number) is smaller than a part may be")
            }
            size += held.pieces.length
            chosen.append(held)
        }
        guard size <= features.maximumObjectSize else {
            throw StoreError(
                .limitExceeded, operation: operation, key: upload.key, status: 400, code: "EntityTooLarge",
                message: "the object is larger than the store takes")
        }
        return chosen
    }

    /// Ranges of versions as this mount names them, as what they are now: pending, or in the store.
    private func resolved(_ pieces: [ContentPiece], _ table: PendingTable) throws(StoreError) -> [ContentPiece] {
        var result: [ContentPiece] = []
        for piece in pieces {
            guard case .stored(let key, let etag, let range) = piece else {
                result.append(piece)
                continue
            }
            if case .present(let intent) = table.view(key) {
                guard etag == intent.etag else { throw Self.preconditionFailed("UploadPartCopy", key) }
                let isOwn = intent.pieces.isLocal
                result += isOwn ? intent.pieces.slice(range) : [.pending(intent: intent.id, key: key, range: range)]
            } else if let etag {
                guard let stored = table.aliases.stored(etag, of: key) else {
                    throw Self.preconditionFailed("UploadPartCopy", key)
                }
                result.append(.stored(key: key, etag: stored, range: range))
            } else {
                result.append(piece)
            }
        }
        return result
    }

    private func completeThrough(_ upload: MultipartUpload, _ parts: [UploadedPart], _ precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let object = try await locks.with([lock(upload)]) { () throws(StoreError) in
            let remote = try await moveOver(upload)
            let known = state.withLock { $0.uploads[upload.id]?.remoteParts } ?? [:]
            // Those that were kept here have other ETags there.
            let named = parts.map { part in known[part.number] ?? part }
            return try await locks.with([upload.key]) { () throws(StoreError) in
                try await through("CompleteMultipartUpload", upload.key, if: precondition) { asked throws(StoreError) in
                    try await base.completeUpload(remote, parts: named, if: asked)
                }
            }
        }
        try? await journal.uploadEnded(state.withLock { $0.uploads[upload.id]?.remote } ?? upload)
        forget(upload)
        return object
    }

    /// Moves an upload and the parts kept here over to the store. The caller has the upload's lock.
    private func moveOver(_ upload: MultipartUpload) async throws(StoreError) -> MultipartUpload {
        guard let found = try local(upload, "CreateMultipartUpload") else { return upload }
        let remote: MultipartUpload
        if let known = found.remote {
            remote = known
        } else {
            remote = try await base.createUpload(found.key, metadata: found.metadata)
            // A full disk may be why it moves: then only the store's own list knows of it.
            try? await journal.uploadBegan(remote)
        }
        // Parts that come from now on go there.
        let parts = state.withLock { state in
            state.uploads[upload.id]?.remote = remote
            return state.uploads[upload.id]?.parts ?? [:]
        }
        for (number, part) in parts.sorted(by: { $0.key < $1.key }) {
            let moved: UploadedPart
            if case .stored(let key, let etag, let range)? = part.pieces.first {
                moved = try await copyThrough(remote, number, key, range, etag)
            } else {
                do throws(LocalStateError) {
                    let body = try await PieceBody.load(part.pieces, from: shelf)
                    moved = try await uploaded(remote, number, body)
                } catch {
                    throw Self.local(error, "UploadPart", upload.key)
                }
            }
            _ = try note(moved, upload)
            state.withLock { _ = $0.uploads[upload.id]?.parts.removeValue(forKey: number) }
            if let staged = part.staged { shelf.release([staged.id]) }
        }
        return remote
    }

    private func uploaded(_ remote: MultipartUpload, _ number: Int, _ body: PieceBody) async throws(LocalStateError)
        -> UploadedPart
    {
        do throws(StoreError) {
            return try await base.uploadPart(remote, number: number, body: body)
        } catch {
            throw LocalStateError(.io(errno: 0), path: "", detail: "\(error)")
        }
    }

    private func forget(_ upload: MultipartUpload) {
        let found = state.withLock { $0.uploads.removeValue(forKey: upload.id) }
        shelf.release((found?.parts ?? [:]).values.compactMap { $0.staged?.id })
    }

    /// AbortMultipartUpload: no request, unless it has moved over.
    public func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        guard upload.id.utf8.starts(with: Self.uploadPrefix.utf8) else { return try await base.abortUpload(upload) }
        let remote = state.withLock { $0.uploads[upload.id]?.remote }
        forget(upload)
        guard let remote else { return }
        try await base.abortUpload(remote)
        try? await journal.uploadEnded(remote)
    }
}
