internal import ObjectStore

/// Carries out one intent in the store.
///
/// **Problem.** An attempt may have taken effect although its answer was lost, or although the process died before it noted
/// the end. Carried out once more, a conditional request then fails by its own success.
///
/// **Design.** What was conditional and is refused is looked at: the content that the intent wants there, under its headers, is
/// its own wherever it came from. Nothing that follows an intent runs before the intent's end is durable, so whatever else
/// stands there is somebody else's.
///
/// **Requests.** One PUT, DELETE or CopyObject; above the threshold or with stored ranges Create, one a part, Complete. One HEAD more
/// where the store tells no ETag, or to look whether a version is one's own (and a GET where the headers hold no time).
struct IntentRun {
    let store: WriteBackStore
    var intent: Intent

    private var base: any ObjectStore { store.base }

    /// How it ended.
    enum Outcome: Sendable {
        /// The bucket is as it was promised; the version there, nil after a delete.
        case done(ETag?)
        /// Somebody else's version is there, or what was to be copied is gone.
        case conflict(StoreError)
    }

    /// How often somebody else may be faster before an intent that overwrites is a conflict all the same.
    private static let rounds = 8

    /// One attempt. Where conflicts are overwritten, several: each over what is there by then.
    /// - Throws: what may be tried again.
    func run() async throws(StoreError) -> Outcome {
        var attempt = self
        for _ in 1..<Self.rounds {
            let outcome = try await attempt.runOnce()
            guard case .conflict(let error) = outcome, store.options.overwritesConflicts,
                let next = try await attempt.overwriting(after: error)
            else { return outcome }
            attempt = next
        }
        return try await attempt.runOnce()
    }

    /// The same change, over the version that is there now; nil where what it keeps of the object is not to be had any more. One HEAD.
    private func overwriting(after error: StoreError) async throws(StoreError) -> IntentRun? {
        var next = self
        if intent.kind == .delete {
            next.intent.base = .none
            return next
        }
        let keeps = intent.pieces.contains { piece in
            if case .stored(intent.key, _, _) = piece { true } else { false }
        }
        // What was to be copied from elsewhere is gone: no other version of the goal helps.
        if !keeps, error.kind == .notFound, !intent.pieces.isLocal { return nil }
        guard let found = try await base.headOrNil(intent.key), let etag = found.etag else {
            next.intent.base = .absent
            return keeps ? nil : next
        }
        next.intent.base = .version(etag)
        for index in intent.pieces.indices {
            guard case .stored(intent.key, _, let range) = intent.pieces[index] else { continue }
            guard range.upperBound <= found.size else { return nil }
            next.intent.pieces[index] = .stored(key: intent.key, etag: etag, range: range)
        }
        return next
    }

    private func runOnce() async throws(StoreError) -> Outcome {
        do throws(StoreError) {
            switch intent.kind {
            case .delete:
                // It takes back what was to be made where nothing was: whatever is there is somebody else's.
                if intent.base == .absent { return .done(nil) }
                try await base.delete(intent.key, if: precondition)
                return .done(nil)
            case .put, .copy:
                let stored = if let source = intent.copySource { try await copy(source) } else { try await send() }
                if let etag = stored.etag { return .done(etag) }
            }
        } catch {
            guard error.kind == .preconditionFailed || error.kind == .notFound else { throw error }
            return try await look { () throws(StoreError) in try await explained(error) }
        }
        return try await look { () throws(StoreError) in .done(try await base.head(intent.key).etag) }
    }

    /// A look at the bucket after a mutation that has taken effect, or may have: where the look fails, that is still so.
    private func look(_ body: () async throws(StoreError) -> Outcome) async throws(StoreError) -> Outcome {
        do throws(StoreError) {
            return try await body()
        } catch {
            var error = error
            error.isAmbiguous = true
            throw error
        }
    }

    private var precondition: Precondition {
        switch intent.base {
        case .none, .presumedAbsent, .after: .none
        case .absent: .absent
        case .version(let etag): .matches(etag)
        }
    }

    // MARK: Content

    private func copy(_ source: (key: ObjectKey, etag: ETag?)) async throws(StoreError) -> StoredObject {
        guard intent.size <= base.features.maximumPartSize else { return try await sendParts() }
        var request = CopyRequest(
            source: source.key, sourceMatches: source.etag, destination: intent.key, precondition: precondition,
            metadata: .replace(intent.metadata), length: intent.size)
        if intent.keepsMetadata {
            request.metadata = .keep
            request.storageClass = intent.metadata.storageClass
        }
        do throws(StoreError) {
            return try await base.copy(request)
        } catch {
            // Some stores take no condition with a copy.
            guard error.kind == .notImplemented, precondition != .none else { throw error }
            if case .absent = precondition, try await exists(intent.key) {
                throw WriteBackStore.preconditionFailed("CopyObject", intent.key)
            }
            request.precondition = .none
            return try await base.copy(request)
        }
    }

    private func exists(_ key: ObjectKey) async throws(StoreError) -> Bool {
        do throws(StoreError) {
            _ = try await base.head(key)
            return true
        } catch {
            if error.kind == .notFound { return false }
            throw error
        }
    }

    private func send() async throws(StoreError) -> StoredObject {
        let isOne = intent.pieces.isLocal && intent.size <= store.options.singlePutThreshold
        guard isOne || intent.size == 0 else { return try await sendParts() }
        let body = try await body(0..<intent.size)
        return try await base.put(intent.key, body: body, metadata: intent.metadata, if: precondition)
    }

    /// Bytes of the object: those of this machine as they are, stored ones fetched into memory.
    private func body(_ range: Range<Int64>) async throws(StoreError) -> PieceBody {
        var parts: [PieceBody.Part] = []
        for piece in intent.pieces.slice(range) {
            switch piece {
            case .local:
                do throws(LocalStateError) {
                    parts.append(try await PieceBody.part(piece, from: store.shelf))
                } catch {
                    throw WriteBackStore.local(error, "PutObject", intent.key)
                }
            case .stored(let key, let etag, let range):
                let sink = MemorySink()
                _ = try await base.get(key, range: range, ifMatch: etag, into: sink)
                let bytes = sink.bytes
                guard bytes.count == range.count else {
                    throw StoreError(.badResponse, operation: "GetObject", key: key, message: "the content ended early")
                }
                parts.append(.bytes(bytes, range: 0..<bytes.count))
            case .pending(let other, _, _):
                throw WriteBackStore.local(
                    LocalStateError(.damaged, path: store.journal.directory.path, detail: "intent \(other) is gone"),
                    "PutObject", intent.key)
            }
        }
        return PieceBody(parts, blobs: store.shelf.blobs)
    }

    private func sendParts() async throws(StoreError) -> StoredObject {
        let plan = PartPlan.parts(
            of: intent.pieces, features: base.features, partSize: store.options.partSize)
        let upload = try await base.createUpload(intent.key, metadata: intent.metadata)
        do throws(StoreError) {
            // For the next start to abort it; without room for the note, the upload is what makes room.
            try? await store.journal.uploadBegan(upload)
            let parts = try await send(plan, to: upload)
            let stored = try await base.completeUpload(upload, parts: parts, if: precondition)
            try? await store.journal.uploadEnded(upload)
            return stored
        } catch {
            // In a task of its own: this one may have been cancelled.
            let (base, journal) = (base, store.journal)
            await Task {
                if (try? await base.abortUpload(upload)) != nil { try? await journal.uploadEnded(upload) }
            }.value
            throw error
        }
    }

    private func send(_ plan: [PartPlan.Part], to upload: MultipartUpload) async throws(StoreError) -> [UploadedPart] {
        let results = await withTaskGroup(of: Result<UploadedPart, StoreError>.self) { group in
            var results: [Result<UploadedPart, StoreError>] = []
            for (index, part) in plan.enumerated() {
                if index >= max(1, store.options.parallelParts), let result = await group.next() {
                    results.append(result)
                    if case .failure = result { break }
                }
                group.addTask { await self.send(part, to: upload) }
            }
            for await result in group { results.append(result) }
            return results
        }
        var parts: [UploadedPart] = []
        for result in results { parts.append(try result.get()) }
        return parts.sorted { $0.number < $1.number }
    }

    private func send(_ part: PartPlan.Part, to upload: MultipartUpload) async -> Result<UploadedPart, StoreError> {
        do throws(StoreError) {
            if case .stored(let key, let etag, let range)? = part.copied {
                return .success(
                    try await base.copyPart(upload, number: part.number, from: key, range: range, ifMatch: etag))
            }
            return .success(try await base.uploadPart(upload, number: part.number, body: try await body(part.range)))
        } catch {
            return .failure(error)
        }
    }

    // MARK: What a refusal means

    private func explained(_ error: StoreError) async throws(StoreError) -> Outcome {
        if intent.kind == .delete {
            // Gone already, or another version, which is not what was to be deleted.
            return error.kind == .notFound ? .done(nil) : .conflict(error)
        }
        let found: ObjectInfo
        do throws(StoreError) {
            found = try await base.head(intent.key)
        } catch {
            if error.kind == .notFound { return .conflict(error) }
            throw error
        }
        if intent.key.isDirectoryMarker, intent.base == .absent { return .done(found.etag) }
        return try await isOwn(found) ? .done(found.etag) : .conflict(error)
    }

    /// Whether an object is what this intent is to make.
    private func isOwn(_ found: ObjectInfo) async throws(StoreError) -> Bool {
        guard found.size == intent.size, found.metadata.user == store.shown(intent).metadata.user else { return false }
        // Pail's own files carry their time to the nanosecond.
        if found.metadata.user["mtime"] != nil || !intent.pieces.isLocal { return true }
        let sink = MemorySink()
        _ = try await base.get(intent.key, range: nil, ifMatch: found.etag, into: sink)
        let wanted = try await body(0..<intent.size)
        let bytes = sink.bytes
        guard bytes.count == Int(wanted.length) else { return false }
        var offset = 0
        var block = [UInt8](repeating: 0, count: min(1 << 20, max(1, bytes.count)))
        while offset < bytes.count {
            let count: Int
            do {
                count = try block.withUnsafeMutableBytes { try wanted.read(at: Int64(offset), into: $0) }
            } catch {
                throw StoreError(.bodyUnreadable, operation: "GetObject", key: intent.key, message: "\(error)")
            }
            guard count > 0, bytes[offset..<offset + count] == block[..<count] else { return false }
            offset += count
        }
        return true
    }
}
