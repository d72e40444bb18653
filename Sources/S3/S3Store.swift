public import Logging
public import ObjectStore
import Synchronization

/// A bucket of an S3-compatible store.
///
/// Each call is one request; retries, the bucket's region and the clock's error are dealt with inside, within the
/// request's deadline. Connections are shared by all calls and bounded; see ``HTTPEngine``.
///
/// Limits: one bucket, one endpoint. Listings and other XML answers are collected (at most 16 MiB) and read on the caller's
/// task, so that a long listing does not hold up the thread that moves content.
public final class S3Store: ObjectStore {
    /// What the bucket is reached by, as it is known so far.
    struct Location: Sendable, Equatable {
        var endpoint: Endpoint
        var region: String
        /// A host that a redirect named, which holds the bucket's name already if the style is virtual-host.
        var redirectedHost: String?
    }

    let configuration: S3Configuration
    let credentials: any CredentialsProvider
    let logger: Logger
    let engine: HTTPEngine?
    /// Why there is no engine or no endpoint: every request fails with it.
    let defect: String?
    let location: Mutex<Location>
    let signingKeys = SigningKeyCache()
    /// The server's clock minus this machine's, in seconds; nothing until the server complains.
    let clockOffset = Atomic<Int64>(0)
    let checksumsRefused = Atomic<Bool>(false)
    let accessControl = ObjectAccessControl()
    let customerKeys: CustomerKeyEncryption
    /// What was asked and moved so far.
    public let metrics: RequestMetrics
    let retryPolicy: RetryPolicy
    let reachability = Mutex(Reachability())
    private let currentFeatures = Mutex(StoreFeatures())

    /// A store. No request is made: ``checkBucket()`` tells whether it can be reached.
    ///
    /// A malformed endpoint is told by the first request (`invalidRequest`).
    /// - Parameter metrics: where to count; of another store, where both count as one.
    public init(
        configuration: S3Configuration, credentials: any CredentialsProvider,
        metrics: RequestMetrics = RequestMetrics(),
        logger: Logger
    ) {
        self.configuration = configuration
        self.metrics = metrics
        customerKeys = CustomerKeyEncryption(
            keys: configuration.customerKeys, encryptsNew: configuration.encryptsByCustomerKey)
        self.credentials = credentials
        self.logger = logger
        retryPolicy = RetryPolicy(
            baseDelay: configuration.retryBaseDelay, maxDelay: configuration.retryMaxDelay,
            maxAttempts: max(1, configuration.maxAttempts))
        var defect: String?
        var engine: HTTPEngine?
        var endpoint = Endpoint.nowhere
        do throws(Endpoint.Malformed) { endpoint = try Endpoint(configuration.endpoint) } catch {
            defect = error.description
        }
        if defect == nil, configuration.bucket.isEmpty { defect = "the bucket has no name" }
        if defect == nil {
            do throws(HTTPFailure) {
                engine = try HTTPEngine(
                    options: HTTPEngine.Options(
                        maxConnections: min(max(1, configuration.maxConnections), 1024),
                        buffers: TransferBuffers(memory: configuration.bufferMemory),
                        connectTimeoutMilliseconds: max(1, configuration.connectTimeout.milliseconds),
                        userAgent: configuration.userAgent, caFile: configuration.caFile,
                        verifyTLS: configuration.verifyTLS, transport: configuration.transport))
            } catch { defect = error.message }
        }
        self.engine = engine
        self.defect = defect
        location = Mutex(Location(endpoint: endpoint, region: configuration.region))
    }

    deinit { engine?.shutdown() }

    /// `s3://bucket at http://127.0.0.1:8333`.
    public var name: String { "s3://\(configuration.bucket) at \(configuration.endpoint)" }

    /// What the store can do: S3's own features until something else is set by whoever has probed.
    public var features: StoreFeatures { currentFeatures.withLock { $0 } }

    /// Records what a probe found.
    public func setFeatures(_ features: StoreFeatures) { currentFeatures.withLock { $0 = features } }

    /// What was asked and moved so far.
    public var statistics: RequestStatistics { RequestStatistics(metrics) }

    /// Whether nothing but failures came for a while.
    public var isLost: Bool { reachability.withLock { $0.isLost } }

    /// Ends all requests (they fail as `cancelled`) and closes the connections. Waits for the HTTP thread. Later requests fail.
    public func shutdown() { engine?.shutdown() }

    /// Whether uploads carry a CRC32C now.
    var sendsCRC32C: Bool { configuration.checksum == .crc32c && !checksumsRefused.load(ordering: .relaxed) }

    /// Whether uploads carry an MD5 now: because it was asked for, or in the place of a CRC32C that the store does not take.
    var sendsMD5: Bool {
        switch configuration.checksum {
        case .md5: true
        case .crc32c: checksumsRefused.load(ordering: .relaxed)
        case .none: false
        }
    }
}

/// What a store was asked and what was moved.
public struct RequestStatistics: Sendable, Equatable {
    /// Requests by S3 operation (`HeadObject`), retries included.
    public var requests: [String: Int] = [:]
    /// Requests that were sent again after a failure.
    public var retries = 0
    /// Operations that failed in the end, "not found" and conditions that did not hold included.
    public var failures = 0
    /// Bytes of body that came.
    public var bytesReceived: Int64 = 0
    /// Bytes of body that went out.
    public var bytesSent: Int64 = 0

    /// All requests.
    public var totalRequests: Int { requests.values.reduce(0, +) }

    /// Nothing yet.
    public init() {}

    /// What was counted so far.
    init(_ metrics: RequestMetrics) {
        for answers in metrics.requests { requests[answers.operation, default: 0] += Int(answers.count) }
        retries = Int(metrics.retries)
        failures = Int(metrics.errors)
        bytesReceived = Int64(metrics.bytesReceived)
        bytesSent = Int64(metrics.bytesSent)
    }
}

extension Endpoint {
    /// Stands in for an endpoint that could not be parsed; no request is made to it.
    fileprivate static let nowhere = Endpoint()

    private init() {
        scheme = "http"
        host = ""
        port = nil
        base = ""
    }
}
