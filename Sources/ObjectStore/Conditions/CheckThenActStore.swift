/// Keeps the conditions of mutations where the store does not: looks first, then acts.
///
/// Problem: a store that ignores `If-Match` answers 200 and overwrites. The verbs say what must hold; whether the store
/// or Pail sees to it is decided here, in one place.
///
/// Design: where ``StoreFeatures`` says that a condition is honoured, the request goes through as it is. Where it is ignored, a
/// HEAD compares the ETag, the request follows without the condition, and a moment remains in which another's change is
/// lost. While a probe is under way both are done: right on either kind of store, from the first mutation on.
///
/// Requests: one HEAD more for each condition that the store ignores, or is not yet known to honour. An answer lost on the way
/// is tried again without a new look: its repetition would find its own object.
///
/// Limits: GET needs nothing, because readers compare the ETag of the answer.
public struct CheckThenActStore: ForwardingStore {
    /// The store inside.
    public let base: any ObjectStore

    /// A store that keeps conditions, around one that may not.
    public init(base: any ObjectStore) { self.base = base }

    // MARK: Mutations with conditions

    /// PutObject.
    public func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let sent = try await settle(precondition, of: key, isHonoured: \.conditionalWrites, "PutObject")
        return try await base.put(key, body: body, metadata: metadata, if: sent)
    }

    /// DeleteObject.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        let sent = try await settle(precondition, of: key, isHonoured: \.conditionalDeletes, "DeleteObject")
        try await base.delete(key, if: sent)
    }

    /// CopyObject.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        var request = request
        request.sourceMatches = try await settle(source: request.sourceMatches, of: request.source, "CopyObject")
        request.precondition = try await settle(
            request.precondition, of: request.destination, isHonoured: \.conditionalCopyTargets, "CopyObject")
        return try await base.copy(request)
    }

    /// UploadPartCopy.
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        let sent = try await settle(source: ifMatch, of: source, "UploadPartCopy")
        return try await base.copyPart(upload, number: number, from: source, range: range, ifMatch: sent)
    }

    /// CompleteMultipartUpload.
    public func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let sent = try await settle(
            precondition, of: upload.key, isHonoured: \.conditionalCompletions, "CompleteMultipartUpload")
        return try await base.completeUpload(upload, parts: parts, if: sent)
    }

    // MARK: Looking

    /// Looks at what the store does not see to, and returns the condition to send.
    private func settle(
        _ precondition: Precondition, of key: ObjectKey, isHonoured: KeyPath<StoreFeatures, Bool>, _ operation: String
    ) async throws(StoreError) -> Precondition {
        let features = base.features
        let honoured = features[keyPath: isHonoured]
        if precondition == .none || precondition == .presumedAbsent || (honoured && !features.isProbing) {
            return precondition
        }
        let info = try await base.headOrNil(key)
        let holds =
            switch precondition {
            case .none, .presumedAbsent: true
            case .absent: info == nil
            case .matches(let etag): info?.etag == etag
            }
        guard holds else { throw refusal(operation, key) }
        return honoured ? precondition : .none
    }

    private func settle(source: ETag?, of key: ObjectKey, _ operation: String) async throws(StoreError) -> ETag? {
        guard let source else { return nil }
        let sent = try await settle(.matches(source), of: key, isHonoured: \.conditionalCopies, operation)
        return sent == .none ? nil : source
    }

    private func refusal(_ operation: String, _ key: ObjectKey) -> StoreError {
        StoreError(
            .preconditionFailed, operation: operation, key: key, message: "Pail looked before it acted")
    }
}
