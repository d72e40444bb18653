internal import ObjectStore

/// The S3 operations that are used.
enum S3Operation: String, Sendable, CaseIterable {
    case headObject = "HeadObject"
    case getObject = "GetObject"
    case putObject = "PutObject"
    case deleteObject = "DeleteObject"
    case deleteObjects = "DeleteObjects"
    case listObjects = "ListObjects"
    case listObjectsV2 = "ListObjectsV2"
    case copyObject = "CopyObject"
    case createMultipartUpload = "CreateMultipartUpload"
    case uploadPart = "UploadPart"
    case uploadPartCopy = "UploadPartCopy"
    case completeMultipartUpload = "CompleteMultipartUpload"
    case abortMultipartUpload = "AbortMultipartUpload"
    case listMultipartUploads = "ListMultipartUploads"
    case listParts = "ListParts"
    case getBucketLocation = "GetBucketLocation"
    case getBucketOwnershipControls = "GetBucketOwnershipControls"
    case getBucketVersioning = "GetBucketVersioning"
    case getBucketLifecycleConfiguration = "GetBucketLifecycleConfiguration"
    case getObjectAcl = "GetObjectAcl"
    case putObjectAcl = "PutObjectAcl"

    /// Whether it changes the bucket, so that an attempt without an answer leaves it open what the bucket holds.
    var isMutation: Bool {
        switch self {
        case .headObject, .getObject, .listObjects, .listObjectsV2, .listMultipartUploads, .listParts,
            .getBucketLocation,
            .getBucketOwnershipControls, .getBucketVersioning, .getBucketLifecycleConfiguration, .getObjectAcl:
            false
        default: true
        }
    }

    /// Whether a 200 may carry an error: the status goes out before the work is done.
    var mayFailInBody: Bool {
        switch self {
        case .copyObject, .uploadPartCopy, .completeMultipartUpload: true
        default: false
        }
    }
}

/// One operation on the bucket or on a key, before it is signed.
struct S3Request: Sendable {
    var operation: S3Operation
    var method: HTTPMethod
    /// nil for the bucket itself.
    var key: ObjectKey?
    /// The object that is copied, for a copy.
    var copySource: ObjectKey?
    /// Names and values, not encoded. A nil value stands alone (`?uploads`).
    var query: [(name: String, value: String?)] = []
    /// Names in lower case.
    var headers: [SignatureV4.Field] = []
    var body: (any RequestBody)?
    /// The SHA-256 of the body in hexadecimal, where it is signed; nil for `UNSIGNED-PAYLOAD`.
    var payloadHash: String?
    var receiver: (any HTTPBodyReceiver)?
    /// The most bytes of the answer.
    var collectLimit = 64 << 10
    /// The kind of time limits.
    var pace = Pace.metadata

    /// How long a request may take.
    enum Pace: Sendable, Equatable {
        /// One small answer.
        case metadata
        /// So many bytes of body.
        case transfer(Int64)
        /// The server works without a word, on so many bytes where that is known.
        case serverSide(Int64?)
    }

    init(_ operation: S3Operation, _ method: HTTPMethod, key: ObjectKey? = nil) {
        self.operation = operation
        self.method = method
        self.key = key
    }

    mutating func setHeader(_ name: String, _ value: String?) {
        if let value { headers.append((name, value)) }
    }

    /// `If-Match` or `If-None-Match: *`.
    mutating func setPrecondition(_ precondition: Precondition) {
        switch precondition {
        case .none, .presumedAbsent: break
        case .matches(let etag): headers.append(("if-match", etag.quoted))
        case .absent: headers.append(("if-none-match", "*"))
        }
    }
}
