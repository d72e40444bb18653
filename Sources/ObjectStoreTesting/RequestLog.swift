public import ObjectStore
import Synchronization

/// An S3 operation; the raw value is S3's name of it.
public enum StoreOperation: String, Sendable, Hashable, CaseIterable {
    case head = "HeadObject"
    case get = "GetObject"
    case put = "PutObject"
    case delete = "DeleteObject"
    case deleteMany = "DeleteObjects"
    case list = "ListObjectsV2"
    case copy = "CopyObject"
    case createUpload = "CreateMultipartUpload"
    case uploadPart = "UploadPart"
    case copyPart = "UploadPartCopy"
    case completeUpload = "CompleteMultipartUpload"
    case abortUpload = "AbortMultipartUpload"
    case listUploads = "ListMultipartUploads"

    /// Whether it changes what the bucket holds, uploads under way included.
    public var isMutation: Bool {
        switch self {
        case .head, .get, .list, .listUploads: false
        default: true
        }
    }
}

/// One request as a store saw it.
public struct StoreRequest: Sendable, Hashable {
    /// What was asked.
    public var operation: StoreOperation
    /// Of which key; the prefix of a listing; the first key of a DeleteObjects.
    public var key: ObjectKey
    /// The source of a copy.
    public var source: ObjectKey?
    /// The bytes asked for by a GET or a part copy.
    public var range: Range<Int64>?
    /// The bytes sent with a PUT or a part.
    public var bytesSent: Int64
    /// The condition of a mutation.
    public var precondition: Precondition
    /// The part's number.
    public var partNumber: Int?

    /// A request of the given parts.
    public init(
        _ operation: StoreOperation, key: ObjectKey, source: ObjectKey? = nil, range: Range<Int64>? = nil,
        bytesSent: Int64 = 0, precondition: Precondition = .none, partNumber: Int? = nil
    ) {
        self.operation = operation
        self.key = key
        self.source = source
        self.range = range
        self.bytesSent = bytesSent
        self.precondition = precondition
        self.partNumber = partNumber
    }
}

/// What was asked of a store since the last reset: counts of all requests, and the requests themselves up to a cap.
public final class RequestLog: Sendable {
    private struct State {
        var counts: [StoreOperation: Int] = [:]
        var requests: [StoreRequest] = []
        var bytesSent: Int64 = 0
    }

    /// Requests kept; later ones are counted only.
    public static let capacity = 100_000

    private let state = Mutex(State())

    /// A log without requests.
    public init() {}

    /// Notes a request.
    public func note(_ request: StoreRequest) {
        state.withLock {
            $0.counts[request.operation, default: 0] += 1
            $0.bytesSent += request.bytesSent
            if $0.requests.count < Self.capacity { $0.requests.append(request) }
        }
    }

    /// Forgets all.
    public func reset() { state.withLock { $0 = State() } }

    /// How many requests of each operation; operations without any are missing.
    public var counts: [StoreOperation: Int] { state.withLock { $0.counts } }

    /// How many requests in all.
    public var total: Int { state.withLock { $0.counts.values.reduce(0, +) } }

    /// The body bytes sent in all.
    public var bytesSent: Int64 { state.withLock { $0.bytesSent } }

    /// The requests in the order in which they came, the first ``capacity`` of them.
    public var requests: [StoreRequest] { state.withLock { $0.requests } }

    /// How many requests of one operation.
    public func count(_ operation: StoreOperation) -> Int { state.withLock { $0.counts[operation] ?? 0 } }
}
