internal import Logging
public import ObjectStore
import Synchronization

/// PutObject, DeleteObject and CopyObject: an intent each, or the request itself where that is called for.
extension WriteBackStore {
    /// PutObject: no request. One copy of the body to the disk; one fsync up to 64 KiB, two more above.
    public func put(
        _ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        try check(key, metadata, "PutObject")
        guard body.length <= features.maximumPartSize else {
            throw StoreError(
                .limitExceeded, operation: "PutObject", key: key, status: 400, code: "EntityTooLarge",
                message: "the object is larger than one request may carry")
        }
        if key.isDirectoryMarker, body.length == 0 {
            let stored = try await putMarker(key, metadata: metadata, if: precondition)
            if precondition == .absent { noteOwnDirectory(key) }
            return stored
        }
        if mustAsk(key, precondition) { return try await putThrough(key, body, metadata, precondition) }
        let staged: ContentShelf.Staged
        do throws(LocalStateError) {
            staged = try await shelf.stage(body)
        } catch {
            guard error.kind == .diskFull else { throw Self.local(error, "PutObject", key) }
            noteNoRoom(error)
            return try await putThrough(key, body, metadata, precondition)
        }
        defer { shelf.release([staged.id]) }
        return try await locks.with([key]) { () throws(StoreError) in
            do throws(AdmissionError) {
                return stored(try await admitPut(key, [staged], metadata, precondition))
            } catch {
                switch error {
                case .refused(let refusal): throw refusal
                case .noRoom(let failure):
                    noteNoRoom(failure)
                    return try await putThroughLocked(key, body, metadata, precondition)
                }
            }
        }
    }

    private func admitPut(
        _ key: ObjectKey, _ staged: [ContentShelf.Staged], _ metadata: ObjectMetadata, _ precondition: Precondition
    ) async throws(AdmissionError) -> Intent? {
        try await admit("PutObject", key, staged: staged) { state throws(StoreError) in
            try draft(
                .put, key, if: precondition, metadata: metadata,
                pieces: staged.filter { $0.length > 0 }.map { .local(content: $0.id, range: 0..<$0.length) },
                operation: "PutObject", &state)
        }
    }

    /// A directory's marker. The first that carries metadata goes through, with a HEAD after it that tells whether the store
    /// keeps them: who asks that of a pending marker would be told what the store does not do.
    private func putMarker(_ key: ObjectKey, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let isUnknown = state.withLock { $0.keepsMarkerMetadata == nil } && base.features.directoryMetadata
        if isUnknown, !metadata.user.isEmpty {
            return try await locks.with([key]) { () throws(StoreError) in
                // With something pending the condition is decided here, as it is for all later markers.
                if let info = try pendingOrNil(key), precondition != .none, precondition != .presumedAbsent {
                    _ = info
                    throw Self.preconditionFailed("PutObject", key)
                }
                let stored = try await putThroughLocked(key, ArrayBody([]), metadata, precondition)
                let kept = try await base.head(key).metadata.user
                state.withLock { $0.keepsMarkerMetadata = !kept.isEmpty }
                return stored
            }
        }
        return try await locks.with([key]) { () throws(StoreError) in
            do throws(AdmissionError) {
                return stored(try await admitPut(key, [], metadata, precondition))
            } catch {
                switch error {
                case .refused(let refusal): throw refusal
                case .noRoom(let failure):
                    noteNoRoom(failure)
                    return try await putThroughLocked(key, ArrayBody([]), metadata, precondition)
                }
            }
        }
    }

    private func pendingOrNil(_ key: ObjectKey) throws(StoreError) -> ObjectInfo? {
        if case .present(let intent) = state.withLock({ $0.table.view(key) }) { return intent.info }
        return nil
    }

    private func putThrough(
        _ key: ObjectKey, _ body: any RequestBody, _ metadata: ObjectMetadata, _ precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        try await locks.with([key]) { () throws(StoreError) in
            // What is pending answers before anybody waits for it.
            if precondition == .absent, try pendingOrNil(key) != nil { throw Self.preconditionFailed("PutObject", key) }
            return try await putThroughLocked(key, body, metadata, precondition)
        }
    }

    private func putThroughLocked(
        _ key: ObjectKey, _ body: any RequestBody, _ metadata: ObjectMetadata, _ precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        try await through("PutObject", key, if: precondition) { asked throws(StoreError) in
            try await base.put(key, body: body, metadata: metadata, if: asked)
        }
    }

    func stored(_ intent: Intent?) -> StoredObject { StoredObject(etag: intent?.etag, date: intent?.date) }

    /// Says once in a while that there is no room: mutations then wait for the store.
    func noteNoRoom(_ error: LocalStateError) {
        logger.warning("no room for changes on this machine, so they wait for the store: \(error)")
    }

    // MARK: Deleting

    /// DeleteObject: no request, one small transaction; none at all where the deletion is pending already.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        guard precondition != .absent else {
            throw Self.invalid("DeleteObject", key, "InvalidArgument", "what is absent cannot be deleted")
        }
        try await locks.with([key]) { () throws(StoreError) in
            do throws(AdmissionError) {
                _ = try await admit("DeleteObject", key) { state throws(StoreError) in
                    if case .deleted = state.table.view(key), precondition == .none || precondition == .presumedAbsent {
                        return nil
                    }
                    return try draft(
                        .delete, key, if: precondition, metadata: ObjectMetadata(), pieces: [],
                        operation: "DeleteObject", &state)
                }
            } catch {
                switch error {
                case .refused(let refusal): throw refusal
                case .noRoom(let failure):
                    noteNoRoom(failure)
                    try await through("DeleteObject", key, if: precondition) { asked throws(StoreError) in
                        try await base.delete(key, if: asked)
                    }
                }
            }
        }
        state.withLock { $0.ownDirectories[key] = nil }
    }

    /// DeleteObjects: as so many single ones, whose rows are committed together.
    public func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        guard (1...1000).contains(keys.count) else {
            throw Self.invalid("DeleteObjects", keys.first ?? "", "MalformedXML", "from 1 to 1,000 keys")
        }
        return await withTaskGroup(of: StoreError?.self) { group in
            for key in keys {
                group.addTask {
                    do throws(StoreError) {
                        try await self.delete(key, if: .none)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            return await group.reduce(into: []) { errors, error in
                if let error { errors.append(error) }
            }
        }
    }

    // MARK: Copying

    /// CopyObject: no request where the source is pending, else one HEAD; no data is moved.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        var replacement: ObjectMetadata?
        if case .replace(let metadata) = request.metadata { replacement = metadata }
        try check(request.destination, replacement ?? ObjectMetadata(), "CopyObject")
        if replacement == nil, request.source == request.destination {
            throw Self.invalid(
                "CopyObject", request.destination, "InvalidRequest", "a copy onto itself has to change something")
        }
        return try await locks.with([request.source, request.destination]) { () throws(StoreError) in
            while true {
                // The source's lock keeps what is found here as it is on this mount, but for its upload.
                var info: ObjectInfo?
                if case .stored = state.withLock({ $0.table.view(request.source) }) {
                    info = try await base.head(request.source)
                }
                do throws(AdmissionError) {
                    return stored(try await admitCopy(request, info, replacement))
                } catch {
                    switch error {
                    case .refused(let refusal): if refusal.code != Self.sourceUploaded { throw refusal }
                    case .noRoom(let failure):
                        noteNoRoom(failure)
                        return try await copyThrough(request)
                    }
                }
            }
        }
    }

    private static var sourceUploaded: String { "SourceUploaded" }

    private func admitCopy(_ request: CopyRequest, _ info: ObjectInfo?, _ replacement: ObjectMetadata?)
        async throws(AdmissionError) -> Intent?
    {
        try await admit("CopyObject", request.destination) { state throws(StoreError) in
            let source = try copySource(request, info, state.table)
            var metadata = replacement ?? source.metadata
            if replacement == nil {
                // The source's storage class and a redirect do not go along on S3 either.
                metadata.storageClass = request.storageClass
                metadata.websiteRedirectLocation = nil
            }
            let isOwn = source.pieces.isLocal
            var draft = try draft(
                isOwn ? .put : .copy, request.destination, if: request.precondition, metadata: metadata,
                pieces: source.pieces, operation: "CopyObject", &state)
            draft.keepsMetadata = replacement == nil && !isOwn
            if request.source == request.destination {
                // The content is the same: who knows its version goes on to know it.
                if let etag = source.etag, ProvisionalETag.isOne(etag) { draft.etag = etag }
            } else if isOwn {
                draft.guards = [request.source]
            }
            return draft
        }
    }

    private func copySource(_ request: CopyRequest, _ info: ObjectInfo?, _ table: PendingTable) throws(StoreError)
        -> (pieces: [ContentPiece], metadata: ObjectMetadata, etag: ETag?)
    {
        let key = request.source
        switch table.view(key) {
        case .deleted: throw Self.noSuchKey("CopyObject", key)
        case .present(let intent):
            if let wanted = request.sourceMatches, wanted != intent.etag {
                throw Self.preconditionFailed("CopyObject", key)
            }
            let isOwn = intent.pieces.isLocal
            return (
                isOwn ? intent.pieces : [.pending(intent: intent.id, key: key, range: 0..<intent.size)],
                intent.metadata, intent.etag
            )
        case .stored:
            // It was pending at the look before, and has been uploaded since.
            guard let info else {
                throw StoreError(.serverError, operation: "CopyObject", key: key, code: Self.sourceUploaded)
            }
            if let wanted = request.sourceMatches, table.aliases.stored(wanted, of: key) != info.etag {
                throw Self.preconditionFailed("CopyObject", key)
            }
            let told = table.aliases.told(info, of: key)
            // A marker's copy is another put: some stores list markers that they cannot copy.
            if key.isDirectoryMarker, info.size == 0 { return ([], info.metadata, told.etag) }
            if info.size == 0 { return ([.stored(key: key, etag: info.etag, range: 0..<0)], info.metadata, told.etag) }
            return ([.stored(key: key, etag: info.etag, range: 0..<info.size)], info.metadata, told.etag)
        }
    }

    private func copyThrough(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        try await through(
            "CopyObject", request.destination, reading: request.source, if: request.precondition
        ) { asked throws(StoreError) in
            var request = request
            request.precondition = asked
            if let wanted = request.sourceMatches {
                guard let stored = state.withLock({ $0.table.aliases.stored(wanted, of: request.source) }) else {
                    throw Self.preconditionFailed("CopyObject", request.source)
                }
                request.sourceMatches = stored
            }
            return try await base.copy(request)
        }
    }
}
