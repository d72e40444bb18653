import Logging
import ObjectStore

/// Reads a range of the base version of a file, all of it, into memory.
typealias BaseReader =
    @Sendable (_ range: Range<Int64>, _ buffer: UnsafeMutableRawBufferPointer) async throws(StoreError) -> Void

/// Carries out an ``UploadPlan``: one run, for one snapshot of a file.
///
/// Parts are sent and copied side by side, at most ``parallelParts`` at once. Retries of a request are the store's
/// business; what it throws here is final and ends the run: the other parts are cancelled and awaited, so that afterwards
/// nothing is in flight. Whether the upload is aborted then is the caller's decision, which knows if the upload holds bytes
/// that are nowhere else.
///
/// An answer can get lost while the request took effect, and the store's retry of a conditional request then fails by its
/// own success. So after such an error the key is looked at: an object with this size and exactly the user metadata just
/// sent, which has the modification time to the nanosecond in it, is our own.
///
/// Base bytes that a part needs are read into memory when the part's turn comes. They are reserved from the budget; where
/// it has no room the run first waits for its own parts, and then goes on over the budget when ``OverBudgetGate`` lets it: the
/// budget is full of bytes that only a commit can free.
struct UploadRun: Sendable {
    let store: any ObjectStore
    let target: UploadTarget
    let base: ObjectVersion?
    /// The whole file.
    let content: PinnedExtents
    let size: Int64
    let parallelParts: Int
    let budget: MemoryBudget
    let readBase: BaseReader?
    let logger: Logger

    /// PutObject: 1 request, plus 1 GET for each range of the base that is kept.
    func put() async throws(StoreError) -> StoredObject {
        var allowance = reserve(for: 0..<size)
        if allowance == nil, await OverBudgetGate.shared.enter() { allowance = .gate }
        guard let allowance else { throw StoreError(.cancelled, operation: "PutObject", key: target.key) }
        defer { give(back: allowance) }
        let body = try await body(of: 0..<size)
        do {
            let stored = try await store.put(
                target.key, body: body, metadata: target.metadata, if: target.precondition)
            return try await identified(stored)
        } catch {
            return try await recovered(from: error)
        }
    }

    /// Sends what is missing and completes the upload: 1 request a part, 1 to complete, plus 1 GET for each range of the base
    /// that is sent.
    func complete(_ upload: MultipartUpload, parts: [PlannedPart]) async throws(StoreError) -> StoredObject {
        let uploaded = try await send(parts, to: upload)
        do {
            let stored = try await store.completeUpload(upload, parts: uploaded, if: target.precondition)
            return try await identified(stored)
        } catch {
            return try await recovered(from: error)
        }
    }

    // MARK: Parts

    private func send(_ parts: [PlannedPart], to upload: MultipartUpload) async throws(StoreError) -> [UploadedPart] {
        let result = await withTaskGroup(of: Result<UploadedPart, StoreError>.self) { group in
            var done: [UploadedPart] = []
            var failure: StoreError?
            var running = 0

            func collect() async {
                guard let result = await group.next() else { return }
                running -= 1
                switch result {
                case .success(let part): done.append(part)
                case .failure(let error):
                    // What the first failure cancels fails by `cancelled`, which says nothing.
                    if failure == nil || (failure?.kind == .cancelled && error.kind != .cancelled) { failure = error }
                    group.cancelAll()
                }
            }

            for part in parts {
                if case .present(let uploaded) = part.source {
                    done.append(uploaded)
                    continue
                }
                while running >= max(1, parallelParts), failure == nil { await collect() }
                var allowance: Allowance?
                while failure == nil, allowance == nil {
                    allowance = part.source == .upload ? reserve(for: part.range) : .reserved(0)
                    if allowance == nil, running > 0 {
                        await collect()
                    } else if allowance == nil {
                        guard await OverBudgetGate.shared.enter() else {
                            failure = StoreError(.cancelled, operation: "UploadPart", key: target.key)
                            break
                        }
                        allowance = .gate
                    }
                }
                guard failure == nil, let granted = allowance else {
                    if let allowance { give(back: allowance) }
                    break
                }
                running += 1
                group.addTask {
                    defer { give(back: granted) }
                    return await send(part, to: upload)
                }
            }
            while running > 0 { await collect() }
            if let failure { return Result<[UploadedPart], StoreError>.failure(failure) }
            return .success(done.sorted { $0.number < $1.number })
        }
        return try result.get()
    }

    private func send(_ part: PlannedPart, to upload: MultipartUpload) async -> Result<UploadedPart, StoreError> {
        do throws(StoreError) {
            switch part.source {
            case .present(let uploaded):
                return .success(uploaded)
            case .copy(let range):
                guard let base else { throw noBase }
                return .success(
                    try await store.copyPart(
                        upload, number: part.number, from: base.key, range: range, ifMatch: base.etag))
            case .upload:
                let body = try await body(of: part.range)
                return .success(try await store.uploadPart(upload, number: part.number, body: body))
            }
        } catch {
            return .failure(error)
        }
    }

    /// What covers the memory for base bytes.
    private enum Allowance: Sendable {
        /// This much of the budget.
        case reserved(Int)
        /// Being the one who may do without.
        case gate
    }

    /// Reserves for the base bytes of `range`; nil where there is no room now.
    private func reserve(for range: Range<Int64>) -> Allowance? {
        var needed = 0
        for extent in content.slice(range) {
            if case .object = extent.source { needed += Int(extent.count) }
        }
        return needed == 0 || budget.tryReserve(needed) ? .reserved(needed) : nil
    }

    private func give(back allowance: Allowance) {
        switch allowance {
        case .reserved(let bytes): if bytes > 0 { budget.release(bytes) }
        case .gate: OverBudgetGate.shared.leave()
        }
    }

    // MARK: Bodies

    private var noBase: StoreError {
        StoreError(.badResponse, operation: "GetObject", key: target.key, message: "the file has no stored version")
    }

    /// The bytes of `range`, those of the base read into new blocks: the caller has an ``Allowance`` for them.
    private func body(of range: Range<Int64>) async throws(StoreError) -> StagedBody {
        var pieces: [Extent] = []
        for var extent in content.slice(range) {
            switch extent.source {
            case .staged, .zeros: break
            case .object(let offset):
                guard let readBase, base != nil else { throw noBase }
                let block = StagingBlock.unreserved(capacity: Int(extent.count))
                block.used = block.capacity
                try await readBase(offset..<offset + extent.count, block.memory!)
                extent.source = .staged(block, offset: 0)
            case .uploaded:
                throw StoreError(
                    .bodyUnreadable, operation: "UploadPart", key: target.key,
                    message: "bytes of this file are only in an upload that has not been completed")
            }
            pieces.append(extent)
        }
        return StagedBody(pieces, origin: content)
    }

    // MARK: Answers

    /// A store that gives no ETag is asked for it, because later changes build on it: 1 HEAD.
    private func identified(_ stored: StoredObject) async throws(StoreError) -> StoredObject {
        if stored.etag != nil { return stored }
        guard let info = try? await store.head(target.key), info.size == size else { return stored }
        var stored = stored
        stored.etag = info.etag
        stored.versionID = stored.versionID ?? info.versionID
        return stored
    }

    /// Looks whether the request that seems to have failed took effect: 1 HEAD where that is possible.
    private func recovered(from error: StoreError) async throws(StoreError) -> StoredObject {
        guard error.isAmbiguous, error.kind != .cancelled,
            let info = try? await store.head(target.key), info.size == size,
            info.metadata.user == target.metadata.user
        else { throw error }
        logger.info("the store took the object although its answer got lost", metadata: ["key": "\(target.key)"])
        return StoredObject(etag: info.etag, versionID: info.versionID, date: info.lastModified)
    }
}
