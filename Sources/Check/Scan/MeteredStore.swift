internal import ObjectStore
internal import Synchronization

/// How many requests a check may make, and has made.
final class RequestMeter: Sendable {
    private let limit: Int?
    private let count: Mutex<(used: Int, isExhausted: Bool)>

    /// - Parameter used: requests that were made already.
    init(limit: Int?, used: Int) {
        self.limit = limit
        count = Mutex((used: used, isExhausted: false))
    }

    /// Requests so far.
    var used: Int { count.withLock { $0.used } }
    /// A request was refused because of the limit.
    var isExhausted: Bool { count.withLock { $0.isExhausted } }

    /// Whether so many more may be made.
    func allows(_ more: Int) -> Bool {
        count.withLock { state in
            guard let limit, state.used + more > limit else { return true }
            state.isExhausted = true
            return false
        }
    }

    /// Counts one.
    func note() { count.withLock { $0.used += 1 } }
}

/// Counts a store's requests and, for the scanner, refuses those over the limit. A repair that has begun is counted and never
/// refused, so that nothing stays half mended.
struct MeteredStore: ObjectStore {
    let base: any ObjectStore
    let meter: RequestMeter
    /// Whether the limit holds.
    let isLimited: Bool

    var name: String { base.name }
    var features: StoreFeatures { base.features }

    private func count(_ operation: String) throws(StoreError) {
        if isLimited, !meter.allows(1) {
            throw StoreError(.cancelled, operation: operation, message: "--max-requests is reached")
        }
        meter.note()
    }

    func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        try count("HeadObject")
        return try await base.head(key)
    }

    @discardableResult
    func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        try count("GetObject")
        return try await base.get(key, range: range, ifMatch: ifMatch, into: sink)
    }

    func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        try count("PutObject")
        return try await base.put(key, body: body, metadata: metadata, if: precondition)
    }

    func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        try count("DeleteObject")
        try await base.delete(key, if: precondition)
    }

    func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        try count("DeleteObjects")
        return try await base.delete(keys)
    }

    func list(_ request: ListRequest) async throws(StoreError) -> ListPage {
        try count("ListObjectsV2")
        return try await base.list(request)
    }

    func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        try count("CopyObject")
        return try await base.copy(request)
    }

    func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try count("CreateMultipartUpload")
        return try await base.createUpload(key, metadata: metadata)
    }

    func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart
    {
        try count("UploadPart")
        return try await base.uploadPart(upload, number: number, body: body)
    }

    func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        try count("UploadPartCopy")
        return try await base.copyPart(upload, number: number, from: source, range: range, ifMatch: ifMatch)
    }

    func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        try count("CompleteMultipartUpload")
        return try await base.completeUpload(upload, parts: parts, if: precondition)
    }

    func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        try count("AbortMultipartUpload")
        try await base.abortUpload(upload)
    }

    func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        try count("ListMultipartUploads")
        return try await base.listUploads(prefix: prefix, after: after)
    }
}
