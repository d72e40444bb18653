/// A store around another one that hands on every call as it is, but for those that the type itself answers.
public protocol ForwardingStore: ObjectStore {
    /// The store inside.
    var base: any ObjectStore { get }
}

extension ForwardingStore {
    /// The base store's name.
    public var name: String { base.name }

    /// The base store's features.
    public var features: StoreFeatures { base.features }

    /// HeadObject.
    public func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo { try await base.head(key) }

    /// GetObject.
    @discardableResult
    public func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        try await base.get(key, range: range, ifMatch: ifMatch, into: sink)
    }

    /// PutObject.
    public func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        try await base.put(key, body: body, metadata: metadata, if: precondition)
    }

    /// DeleteObject.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        try await base.delete(key, if: precondition)
    }

    /// DeleteObjects.
    public func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] { try await base.delete(keys) }

    /// ListObjects.
    public func list(_ request: ListRequest) async throws(StoreError) -> ListPage { try await base.list(request) }

    /// CopyObject.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject { try await base.copy(request) }

    /// CreateMultipartUpload.
    public func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try await base.createUpload(key, metadata: metadata)
    }

    /// UploadPart.
    public func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart
    {
        try await base.uploadPart(upload, number: number, body: body)
    }

    /// UploadPartCopy.
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        try await base.copyPart(upload, number: number, from: source, range: range, ifMatch: ifMatch)
    }

    /// CompleteMultipartUpload.
    public func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        try await base.completeUpload(upload, parts: parts, if: precondition)
    }

    /// AbortMultipartUpload.
    public func abortUpload(_ upload: MultipartUpload) async throws(StoreError) { try await base.abortUpload(upload) }

    /// ListMultipartUploads.
    public func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        try await base.listUploads(prefix: prefix, after: after)
    }
}
