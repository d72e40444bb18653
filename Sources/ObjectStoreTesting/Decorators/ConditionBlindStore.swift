public import ObjectStore
import Synchronization

/// A store that says it honours conditions and takes no notice of some of them, as several that call themselves
/// S3-compatible do. Others compare ETags wrongly and refuse the right one as well.
///
/// What it says of itself is set from outside, by whoever has probed it.
public final class ConditionBlindStore: DecoratingStore {
    /// What it does with a condition that it does not honour.
    public enum Behaviour: Sendable {
        /// Takes no notice of it.
        case ignores
        /// Refuses whatever it says.
        case refusesAll
    }

    /// The store inside, which honours all.
    public let base: any ObjectStore

    private let blind: Set<StoreCapability>
    private let behaviour: Behaviour
    private let said = Mutex(StoreFeatures())

    /// A store that does not honour what is named.
    public init(_ base: any ObjectStore, blind: Set<StoreCapability>, _ behaviour: Behaviour = .ignores) {
        self.base = base
        self.blind = blind
        self.behaviour = behaviour
        said.withLock { $0 = base.features }
    }

    /// What it says of itself, right or wrong.
    public var features: StoreFeatures { said.withLock { $0 } }

    /// Sets what it says of itself.
    public func setFeatures(_ features: StoreFeatures) { said.withLock { $0 = features } }

    /// Passes requests through.
    public func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer { try await call() }

    /// GetObject, perhaps without its condition.
    @discardableResult
    public func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        let ifMatch = try seen(ifMatch, .conditionalReads, key)
        return try await base.get(key, range: range, ifMatch: ifMatch, into: sink)
    }

    /// PutObject, perhaps without its condition.
    public func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let precondition = try seen(precondition, .conditionalWrites, key)
        return try await base.put(key, body: body, metadata: metadata, if: precondition)
    }

    /// DeleteObject, perhaps without its condition.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        try await base.delete(key, if: seen(precondition, .conditionalDeletes, key))
    }

    /// CopyObject, perhaps without its conditions.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        if blind.contains(.selfCopies), request.source == request.destination {
            throw StoreError(.notFound, operation: "CopyObject", key: request.destination, status: 404)
        }
        var request = request
        request.sourceMatches = try seen(request.sourceMatches, .conditionalCopies, request.source)
        request.precondition = try seen(request.precondition, .conditionalCopyTargets, request.destination)
        return try await base.copy(request)
    }

    /// UploadPartCopy, perhaps without its condition, or not at all.
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        if blind.contains(.partCopies) {
            throw StoreError(.notImplemented, operation: "UploadPartCopy", key: source, status: 501)
        }
        let ifMatch = try seen(ifMatch, .conditionalCopies, source)
        return try await base.copyPart(upload, number: number, from: source, range: range, ifMatch: ifMatch)
    }

    /// CompleteMultipartUpload, perhaps without its condition.
    public func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let precondition = try seen(precondition, .conditionalCompletions, upload.key)
        return try await base.completeUpload(upload, parts: parts, if: precondition)
    }

    private func seen(_ precondition: Precondition, _ capability: StoreCapability, _ key: ObjectKey)
        throws(StoreError) -> Precondition
    {
        guard precondition != .none, blind.contains(capability) else { return precondition }
        switch behaviour {
        case .ignores: return .none
        case .refusesAll:
            throw StoreError(.preconditionFailed, operation: capability.rawValue, key: key, status: 412)
        }
    }

    private func seen(_ etag: ETag?, _ capability: StoreCapability, _ key: ObjectKey) throws(StoreError) -> ETag? {
        guard let etag else { return nil }
        return try seen(.matches(etag), capability, key) == .none ? nil : etag
    }
}
