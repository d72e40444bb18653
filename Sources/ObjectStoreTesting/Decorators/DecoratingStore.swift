public import ObjectStore

/// A store around another one: every call goes through ``perform(_:_:)``, where the decorator does its part.
///
/// A decorator writes one function instead of fourteen. `call` makes the request on the base store each time it is called; a
/// decorator may call it never, once, more than once, or later in another task.
public protocol DecoratingStore: ObjectStore {
    /// The store inside.
    var base: any ObjectStore { get }

    /// Makes one request, or not.
    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer
}

extension DecoratingStore {
    /// The base store's name.
    public var name: String { base.name }

    /// The base store's features.
    public var features: StoreFeatures { base.features }

    /// HeadObject, through `perform`.
    public func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        try await perform(StoreRequest(.head, key: key)) { [base] () async throws(StoreError) in
            try await base.head(key)
        }
    }

    /// GetObject, through `perform`.
    @discardableResult
    public func get(
        _ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink
    ) async throws(StoreError) -> ObjectInfo {
        try await perform(StoreRequest(.get, key: key, range: range)) { [base] () async throws(StoreError) in
            try await base.get(key, range: range, ifMatch: ifMatch, into: sink)
        }
    }

    /// PutObject, through `perform`.
    public func put(
        _ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        let request = StoreRequest(.put, key: key, bytesSent: body.length, precondition: precondition)
        return try await perform(request) { [base] () async throws(StoreError) in
            try await base.put(key, body: body, metadata: metadata, if: precondition)
        }
    }

    /// DeleteObject, through `perform`.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        try await perform(StoreRequest(.delete, key: key, precondition: precondition)) {
            [base] () async throws(StoreError) in
            try await base.delete(key, if: precondition)
        }
    }

    /// DeleteObjects, through `perform`.
    public func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        try await perform(StoreRequest(.deleteMany, key: keys.first ?? "")) { [base] () async throws(StoreError) in
            try await base.delete(keys)
        }
    }

    /// ListObjectsV2, through `perform`.
    public func list(_ request: ListRequest) async throws(StoreError) -> ListPage {
        try await perform(StoreRequest(.list, key: ObjectKey(request.prefix))) {
            [base] () async throws(StoreError) in
            try await base.list(request)
        }
    }

    /// CopyObject, through `perform`.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        let noted = StoreRequest(
            .copy, key: request.destination, source: request.source, precondition: request.precondition)
        return try await perform(noted) { [base] () async throws(StoreError) in try await base.copy(request) }
    }

    /// CreateMultipartUpload, through `perform`.
    public func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try await perform(StoreRequest(.createUpload, key: key)) { [base] () async throws(StoreError) in
            try await base.createUpload(key, metadata: metadata)
        }
    }

    /// UploadPart, through `perform`.
    public func uploadPart(
        _ upload: MultipartUpload, number: Int, body: any RequestBody
    ) async throws(StoreError) -> UploadedPart {
        let request = StoreRequest(.uploadPart, key: upload.key, bytesSent: body.length, partNumber: number)
        return try await perform(request) { [base] () async throws(StoreError) in
            try await base.uploadPart(upload, number: number, body: body)
        }
    }

    /// UploadPartCopy, through `perform`.
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        let request = StoreRequest(.copyPart, key: upload.key, source: source, range: range, partNumber: number)
        return try await perform(request) { [base] () async throws(StoreError) in
            try await base.copyPart(upload, number: number, from: source, range: range, ifMatch: ifMatch)
        }
    }

    /// CompleteMultipartUpload, through `perform`.
    public func completeUpload(
        _ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        let request = StoreRequest(.completeUpload, key: upload.key, precondition: precondition)
        return try await perform(request) { [base] () async throws(StoreError) in
            try await base.completeUpload(upload, parts: parts, if: precondition)
        }
    }

    /// AbortMultipartUpload, through `perform`.
    public func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        try await perform(StoreRequest(.abortUpload, key: upload.key)) { [base] () async throws(StoreError) in
            try await base.abortUpload(upload)
        }
    }

    /// ListMultipartUploads, through `perform`.
    public func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        try await perform(StoreRequest(.listUploads, key: ObjectKey(prefix))) { [base] () async throws(StoreError) in
            try await base.listUploads(prefix: prefix, after: after)
        }
    }
}
