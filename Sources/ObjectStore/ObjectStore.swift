/// A bucket: what the file system needs of an object store, and no more.
///
/// Each call is one request (retries aside), and each mutation may carry a ``Precondition``. Calls are cancelled by
/// cancelling their task, which ends the request on the wire and throws `cancelled`. A store makes its own retries inside a
/// deadline of its own; what it throws is final.
public protocol ObjectStore: Sendable {
    /// The bucket as a person knows it, for messages: `s3://bucket at http://127.0.0.1:8333`.
    var name: String { get }

    /// What the store can do, as known so far.
    var features: StoreFeatures { get }

    /// HeadObject.
    func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo

    /// GetObject: streams the object, or `range` of it (clipped to its end), into `sink`.
    ///
    /// - Parameters:
    ///   - range: bytes of the object; nil for all. A range that begins at or past the end throws `rangeNotSatisfiable`.
    ///   - ifMatch: the version wanted; another one throws `preconditionFailed` before any byte.
    /// - Returns: the headers, once the last byte is in the sink.
    @discardableResult
    func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo

    /// PutObject.
    func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject

    /// DeleteObject. Deleting what is not there succeeds.
    func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError)

    /// DeleteObjects: up to 1,000 keys. Returns those that were not deleted, with the store's reason.
    func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError]

    /// ListObjectsV2 (or V1): one page.
    func list(_ request: ListRequest) async throws(StoreError) -> ListPage

    /// CopyObject: up to 5 GiB.
    func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject

    /// CreateMultipartUpload.
    func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload

    /// UploadPart, `number` from 1 to 10,000. The same number again replaces the part.
    func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart

    /// UploadPartCopy of `range` of the object `source`.
    func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart

    /// CompleteMultipartUpload; `parts` in ascending order.
    func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject

    /// AbortMultipartUpload. Aborting what is not there succeeds.
    func abortUpload(_ upload: MultipartUpload) async throws(StoreError)

    /// ListMultipartUploads: one page, from `after` on.
    func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage
}

/// What a store says after it took an object.
public struct StoredObject: Sendable, Equatable {
    /// The new content's identity; nil where the store does not tell.
    public var etag: ETag?
    /// The new version, in a versioned bucket.
    public var versionID: String?
    /// When the store took it, by the store's clock: `LastModified` of a copy, else the answer's `Date`. Whole seconds.
    public var date: Timestamp?

    /// A store's word on an object it took.
    public init(etag: ETag?, versionID: String? = nil, date: Timestamp? = nil) {
        self.etag = etag
        self.versionID = versionID
        self.date = date
    }
}

/// A copy inside the bucket.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
public struct CopyRequest: Sendable, Equatable {
    /// What becomes of the metadata.
    public enum Metadata: Sendable, Equatable {
        /// The source's own, unchanged (`x-amz-metadata-directive: COPY`).
        case keep
        /// This instead (`REPLACE`), tags kept.
        case replace(ObjectMetadata)
    }

    /// The object to copy.
    public var source: ObjectKey
    /// The version that it must have (`x-amz-copy-source-if-match`).
    public var sourceMatches: ETag?
    /// Where to.
    public var destination: ObjectKey
    /// What must hold of the destination.
    public var precondition: Precondition
    /// What becomes of the metadata.
    public var metadata: Metadata
    /// The storage class of the copy where the metadata are kept: stores do not take over the source's. Nil for the default.
    public var storageClass: String?
    /// The source's size in bytes, by which the store's answer is waited for; nil where it is not known.
    public var length: Int64?

    /// A copy to be made.
    public init(
        source: ObjectKey, sourceMatches: ETag? = nil, destination: ObjectKey, precondition: Precondition = .none,
        metadata: Metadata = .keep, storageClass: String? = nil, length: Int64? = nil
    ) {
        self.storageClass = storageClass
        self.length = length
        self.source = source
        self.sourceMatches = sourceMatches
        self.destination = destination
        self.precondition = precondition
        self.metadata = metadata
    }
}

/// A multipart upload under way.
public struct MultipartUpload: Sendable, Hashable {
    /// The key that it will make.
    public var key: ObjectKey
    /// The store's id of it.
    public var id: String
    /// When it was begun; known only from a listing.
    public var initiated: Timestamp?

    /// An upload under way.
    public init(key: ObjectKey, id: String, initiated: Timestamp? = nil) {
        self.key = key
        self.id = id
        self.initiated = initiated
    }
}

/// A part that the store holds.
public struct UploadedPart: Sendable, Hashable {
    /// 1 to 10,000.
    public var number: Int
    /// The part's identity, to be named at completion.
    public var etag: ETag
    /// The part's CRC32C in base64, where it was sent with one; CompleteMultipartUpload repeats it.
    public var crc32c: String?

    /// A part that the store holds.
    public init(number: Int, etag: ETag, crc32c: String? = nil) {
        self.number = number
        self.etag = etag
        self.crc32c = crc32c
    }
}

/// Where a listing of uploads goes on.
public struct UploadsMarker: Sendable, Hashable {
    /// The key to go on after; empty where the store goes by the uploads' ids alone.
    public var key: String
    /// The upload of that key to go on after.
    public var uploadID: String

    /// A place in the listing.
    public init(key: String, uploadID: String) {
        self.key = key
        self.uploadID = uploadID
    }
}

/// One page of the uploads under way.
public struct UploadsPage: Sendable, Equatable {
    /// The uploads of the page.
    public var uploads: [MultipartUpload]
    /// Where the next page begins; nil on the last one.
    public var next: UploadsMarker?

    /// A page of uploads.
    public init(uploads: [MultipartUpload] = [], next: UploadsMarker? = nil) {
        self.uploads = uploads
        self.next = next
    }
}
