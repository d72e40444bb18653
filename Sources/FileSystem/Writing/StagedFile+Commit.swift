import Logging
import ObjectStore
import Synchronization
import SystemPackage

/// What a commit stored.
struct CommitResult: Sendable {
    /// What the store said of it.
    var object: StoredObject
    /// The version that the file now builds on.
    var version: ObjectVersion
    /// The metadata that was stored: for a streamed upload that of its target, from the time of its first part. Nil where the
    /// content was the base's already, and nothing was sent.
    var metadata: ObjectMetadata?
}

extension StagedFile {
    /// Stores the content as it is when the call's turn comes; one commit of a file runs at a time.
    ///
    /// Requests: none for unchanged content; 1 CopyObject for another file's as a whole (see ``ServerCopy``); 1 PUT up to the
    /// single-PUT threshold; beyond that 1 to create, 1 a part, 1 to complete (see ``UploadPlan``), less what streaming sent
    /// before; 1 GET for each range of the base that is sent again.
    ///
    /// - Parameters:
    ///   - metadata: for an upload that begins now. See ``CommitResult/metadata``.
    ///   - precondition: what must hold of `key`. It covers the base as well if it matches the base's ETag.
    ///   - readBase: reads ranges of the base, all of each.
    /// - Throws: what the store threw last; the content is then as dirty as before and the upload aborted, unless bytes are
    ///   only in it. `limitExceeded` for a file that the store cannot take.
    @discardableResult
    func commit(
        key: ObjectKey, metadata: ObjectMetadata, if precondition: Precondition, readBase: BaseReader?
    ) async throws(StoreError) -> CommitResult {
        try await commit(UploadTarget(key: key, metadata: metadata, precondition: precondition, readBase: readBase))
    }

    private func commit(_ target: UploadTarget) async throws(StoreError) -> CommitResult {
        try await enterCommit(of: target.key)
        do throws(StoreError) {
            let result = try await commitAlone(target)
            await leaveCommit()
            return result
        } catch {
            await leaveCommit()
            throw error
        }
    }

    /// Waits for another commit's end and for parts in flight.
    private func enterCommit(of key: ObjectKey) async throws(StoreError) {
        while true {
            let isMine = state.withLock { state in
                guard !state.isCommitting else { return false }
                state.isCommitting = true
                state.stream.pause()
                state.turn = nil
                return true
            }
            if isMine { break }
            await wait { !$0.isCommitting }
            if Task.isCancelled { throw StoreError(.cancelled, operation: "PutObject", key: key) }
        }
        await wait { !$0.stream.isBusy }
        if Task.isCancelled, state.withLock({ $0.stream.isBusy }) {
            await leaveCommit()
            throw StoreError(.cancelled, operation: "PutObject", key: key)
        }
    }

    private func leaveCommit() async {
        state.withLock { state in
            state.isCommitting = false
            state.stream.resume()
            state.progress += 1
        }
        wake()
        await trimSpill()
    }

    private func commitAlone(_ given: UploadTarget) async throws(StoreError) -> CommitResult {
        var target = given
        let settled = try await settle(&target)
        let (map, pinned, base, stream, hasForeignBase) = state.withLock { state in
            (state.map, PinnedExtents(state.map.extents), state.base, state.stream, state.hasForeignBase)
        }
        var session = stream.session
        var fixed = stream.fixedParts
        let hasUploadedBytes = map.hasUploadedBytes(in: 0..<map.size)
        if let begun = session {
            if begun.upload.key != target.key {
                guard !hasUploadedBytes else {
                    throw StoreError(
                        .invalidRequest, operation: "CompleteMultipartUpload", key: target.key,
                        message: "the upload of this file is bound to the key \"\(begun.upload.key)\"")
                }
                await giveUp(begun)
                session = nil
                fixed = []
            } else if !fixed.contains(where: { $0.uploaded != nil }) {
                // Nothing of it is of use; a new one gets the metadata of now.
                await giveUp(begun)
                session = nil
                fixed = []
            }
        }

        if hasForeignBase, let base, map.isUnchanged(fromBaseOf: base.size) {
            if let session { await giveUp(session) }
            let object = try await ServerCopy(store: store, parallel: limits.parallelParts).copy(
                base, to: target.key, metadata: .replace(target.metadata), if: target.precondition)
            let version = ObjectVersion(key: target.key, etag: object.etag, size: map.size)
            state.withLock { $0.stored(map, as: version) }
            return CommitResult(object: object, version: version, metadata: target.metadata)
        }

        let plan: UploadPlan
        do {
            plan = try UploadPlan(
                content: map, baseSize: hasForeignBase ? nil : base?.size, fixed: fixed, features: store.features,
                limits: limits)
        } catch {
            throw StoreError(
                .limitExceeded, operation: "CreateMultipartUpload", key: target.key,
                message: "\(map.size) bytes are more than the store takes")
        }
        if plan == .nothing, let base {
            if let session { await giveUp(session) }
            return CommitResult(
                object: settled?.object ?? StoredObject(etag: base.etag), version: base, metadata: settled?.metadata)
        }

        var used: StreamingSession?
        if case .multipart = plan {
            if let session {
                used = session
                // S3 took the metadata when the upload began.
                target.metadata = session.target.metadata
            } else {
                let upload = try await store.createUpload(target.key, metadata: target.metadata)
                used = StreamingSession(upload: upload, target: target)
            }
        }
        let run = UploadRun(
            store: store, target: target, base: base, content: pinned, size: map.size,
            parallelParts: limits.parallelParts, budget: budget, readBase: target.readBase, logger: logger)
        do throws(StoreError) {
            let object: StoredObject
            if case .multipart(let parts) = plan, let used {
                object = try await run.complete(used.upload, parts: parts)
            } else {
                object = try await run.put()
            }
            let version = ObjectVersion(key: target.key, etag: object.etag, size: map.size)
            state.withLock { $0.stored(map, as: version) }
            if used == nil, let session { await abort(session.upload) }
            return CommitResult(object: object, version: version, metadata: target.metadata)
        } catch {
            state.withLock { state in
                if error.leavesOutcomeOpen, !Self.leavesObjectAlone.contains(error.operation) {
                    state.note(StagedContent.Unsettled(map: map, pinned: pinned, target: target))
                }
            }
            if hasUploadedBytes {
                if error.kind == .noSuchUpload {
                    logger.critical(
                        "the store has lost an upload that held the only copy of parts of a file",
                        metadata: ["key": "\(target.key)", "error": "\(error)"])
                }
            } else {
                state.withLock {
                    $0.stream.reset(); $0.stream.pause()
                }
                if let used { await abort(used.upload) } else if let session { await abort(session.upload) }
            }
            throw error
        }
    }

    /// Requests of an upload that change nothing of the object, whatever became of them: only a PUT, a copy or the completion does.
    private static let leavesObjectAlone: Set<String> = ["CreateMultipartUpload", "UploadPart", "UploadPartCopy"]

    /// Whether there are commits of which nobody knows whether they took effect.
    var hasUnsettledCommits: Bool { state.withLock { !$0.unsettled.isEmpty } }

    /// The metadata of such a commit of exactly the present content; nil if there is none.
    var metadataOfUnsettledCommit: ObjectMetadata? {
        state.withLock { state in state.unsettled.last { $0.map.isSame(as: state.map) }?.target.metadata }
    }

    /// An earlier commit may have taken effect without anybody knowing, at once or late: 1 HEAD tells. If it did, its version is the base
    /// now; if not, it may still.
    private func settle(_ target: inout UploadTarget) async throws(StoreError) -> (
        object: StoredObject, metadata: ObjectMetadata
    )? {
        let unsettled = state.withLock { $0.unsettled }
        guard let key = unsettled.last?.target.key, let info = try await store.headOrNil(key) else { return nil }
        let base = base
        let found = unsettled.last { commit in
            commit.target.key == key && info.size == commit.map.size
                && info.metadata.user == commit.target.metadata.user && (info.etag == nil || info.etag != base?.etag)
        }
        guard let found else { return nil }
        let earlier = found.target
        let version = ObjectVersion(key: key, etag: info.etag, size: info.size)
        let session: StreamingSession? = state.withLock { state in
            let session = state.stream.session
            state.stored(found.map, as: version)
            state.stream.pause()
            return session
        }
        if let session { await abort(session.upload) }
        if target.precondition == .presumedAbsent {
            target.precondition = .none
        } else if target.precondition != .none, target.key == earlier.key, let etag = info.etag {
            target.precondition = .matches(etag)
        }
        return (StoredObject(etag: info.etag, versionID: info.versionID, date: info.lastModified), earlier.metadata)
    }

    private func giveUp(_ session: StreamingSession) async {
        state.withLock { state in
            state.stream.reset()
            state.stream.pause()
        }
        await abort(session.upload)
    }

    /// AbortMultipartUpload, as well as it goes, also in a cancelled task.
    func abort(_ upload: MultipartUpload) async {
        let store = store
        let logger = logger
        await Task {
            do throws(StoreError) {
                try await store.abortUpload(upload)
            } catch {
                logger.warning(
                    "an upload could not be aborted and its parts stay in the bucket",
                    metadata: ["key": "\(upload.key)", "upload": "\(upload.id)", "error": "\(error)"])
            }
        }.value
    }

    /// Completes the streamed upload with the content as it stands, because bytes are wanted that only it has.
    func completeEarly() async throws(Errno) {
        let (session, isCommitting, hasUploadedBytes) = state.withLock { state in
            (state.stream.session, state.isCommitting, state.map.hasUploadedBytes(in: 0..<state.map.size))
        }
        guard let session else {
            // A commit was quicker, or is about to end.
            if hasUploadedBytes, !isCommitting { throw .ioError }
            await wait { !$0.isCommitting }
            if Task.isCancelled { throw .interrupted }
            return
        }
        logger.notice(
            "a file is read or changed where its bytes are only in the bucket: it becomes visible there as it stands",
            metadata: ["key": "\(session.target.key)"])
        var target = session.target
        if target.overtakes { target.precondition = .none }
        do throws(StoreError) {
            _ = try await commit(target)
        } catch {
            logger.error("the upload could not be completed", metadata: ["error": "\(error)"])
            switch error.kind {
            case .cancelled: throw .interrupted
            case .preconditionFailed: throw .staleNFSFileHandle
            case .accessDenied: throw .permissionDenied
            case .limitExceeded: throw .fileTooLarge
            default: throw .ioError
            }
        }
    }

    /// Drops all content and aborts the upload: the file is gone and nobody has it open. Afterwards it is empty.
    func discard() async {
        state.withLock { state in
            state.isDiscarded = true
            state.stream.pause()
            state.turn = nil
        }
        await Task { await self.wait { !$0.isCommitting && !$0.stream.isBusy } }.value
        let session = state.withLock { state in
            let session = state.stream.session
            state.map = ExtentMap()
            state.run = 0..<0
            state.unsettled = []
            state.stream.reset()
            state.forgetTails()
            state.spill = nil
            return session
        }
        if let session { await abort(session.upload) }
        wake()
    }
}

extension StoreError {
    /// Whether the request may have taken effect, or may still do so.
    fileprivate var leavesOutcomeOpen: Bool {
        if isAmbiguous { return true }
        return switch kind {
        case .cancelled, .timedOut, .unreachable, .serverError, .badResponse: true
        default: false
        }
    }
}
