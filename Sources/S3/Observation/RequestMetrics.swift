public import Metrics
internal import Synchronization

/// What a store was asked, how it answered, how long that took and what was moved.
///
/// Counted is each request that went out, retries and those that libcurl makes by itself included: as many as a proxy in between
/// sees. A request for which no connection could be made went not out and is a failure only.
///
/// **Cost.** A request adds to some eight counters: no lock, no allocation, some 0.3 µs.
public final class RequestMetrics: Sendable {
    /// Why there was no answer, as a label.
    public static let failureReasons = ["unreachable", "tls", "timeout", "broken", "malformed", "cancelled", "other"]

    /// The highest status that is counted by itself.
    static let highestStatus = 599

    /// The places, among those of statuses, of what has none.
    private static let cancelled = 1

    private static let moved = (received: 0, sent: 1, retries: 2, errors: 3)

    private let answers = CounterTable(S3Operation.allCases.count * (highestStatus + 1))
    private let latency = LatencyTable(rows: S3Operation.allCases.count)
    private let reasons = CounterTable(failureReasons.count)
    private let totals = CounterTable(4)
    private let underWay = Atomic<Int>(0)

    /// Nothing yet.
    public init() {}

    // MARK: Counting

    func began() { underWay.wrappingAdd(1, ordering: .relaxed) }

    /// An attempt is over.
    func ended(_ operation: S3Operation, _ outcome: HTTPOutcome, nanoseconds: UInt64) {
        underWay.wrappingSubtract(1, ordering: .relaxed)
        let row = operation.place * (Self.highestStatus + 1)
        if outcome.timesSent > 0 {
            var status = (100...Self.highestStatus).contains(outcome.status) ? outcome.status : 0
            if status == 0, case .failure(let problem) = outcome.result, problem.kind == .cancelled {
                status = Self.cancelled
            }
            answers.add(at: row + status)
            latency.add(nanoseconds: nanoseconds, to: operation.place)
            // On kept connections that turned out to be closed.
            if outcome.timesSent > 1 { answers.add(UInt64(outcome.timesSent - 1), at: row) }
        }
        if case .failure(let problem) = outcome.result { reasons.add(at: Self.place(of: problem.kind)) }
        totals.add(UInt64(outcome.bytesReceived), at: Self.moved.received)
        totals.add(UInt64(outcome.bytesSent), at: Self.moved.sent)
    }

    func retried() { totals.add(at: Self.moved.retries) }

    func failed() { totals.add(at: Self.moved.errors) }

    /// A failure as one of ``failureReasons``.
    static func reason(_ kind: HTTPFailure.Kind) -> String { failureReasons[place(of: kind)] }

    private static func place(of kind: HTTPFailure.Kind) -> Int {
        switch kind {
        case .unreachable: 0
        case .untrusted, .handshake: 1
        case .timedOut: 2
        case .broken: 3
        case .malformed, .refused: 4
        case .cancelled: 5
        case .bodyUnreadable, .unsendable: 6
        }
    }

    // MARK: Reading

    /// Requests of one operation with one answer.
    public struct Answers: Sendable, Equatable {
        /// S3's name of the operation.
        public var operation: String
        /// `GET`
        public var method: String
        /// The HTTP status; `none` where no answer came, `cancelled` where none was waited for.
        public var status: String
        /// How many.
        public var count: UInt64
    }

    /// All requests that there were, by operation and answer.
    public var requests: [Answers] {
        var found: [Answers] = []
        for operation in S3Operation.allCases {
            let row = operation.place * (Self.highestStatus + 1)
            for status in 0...Self.highestStatus {
                let count = answers[row + status]
                if count > 0 {
                    found.append(
                        Answers(
                            operation: operation.rawValue, method: operation.method.rawValue,
                            status: status == 0 ? "none" : status == Self.cancelled ? "cancelled" : "\(status)",
                            count: count))
                }
            }
        }
        return found
    }

    /// How long requests took, by operation; those that there were.
    public var latencies: [(operation: String, row: LatencyTable.Row)] {
        S3Operation.allCases.map { ($0.rawValue, latency[$0.place]) }.filter { $0.1.count > 0 }
    }

    /// Attempts without an answer, by reason.
    public var failures: [(reason: String, count: UInt64)] {
        Self.failureReasons.enumerated().map { ($1, reasons[$0]) }
    }

    /// Bytes of body that came.
    public var bytesReceived: UInt64 { totals[Self.moved.received] }
    /// Bytes of body that went out.
    public var bytesSent: UInt64 { totals[Self.moved.sent] }
    /// Requests that were made again after a failure.
    public var retries: UInt64 { totals[Self.moved.retries] }
    /// Operations that failed in the end, "not found" and conditions that did not hold included.
    public var errors: UInt64 { totals[Self.moved.errors] }
    /// Requests that are on their way or wait for a connection.
    public var inFlight: Int { underWay.load(ordering: .relaxed) }
}

extension S3Operation {
    /// Its place among all: the order of declaration.
    var place: Int {
        switch self {
        case .headObject: 0
        case .getObject: 1
        case .putObject: 2
        case .deleteObject: 3
        case .deleteObjects: 4
        case .listObjects: 5
        case .listObjectsV2: 6
        case .copyObject: 7
        case .createMultipartUpload: 8
        case .uploadPart: 9
        case .uploadPartCopy: 10
        case .completeMultipartUpload: 11
        case .abortMultipartUpload: 12
        case .listMultipartUploads: 13
        case .listParts: 14
        case .getBucketLocation: 15
        case .getBucketOwnershipControls: 16
        case .getBucketVersioning: 17
        case .getBucketLifecycleConfiguration: 18
        case .getObjectAcl: 19
        case .putObjectAcl: 20
        }
    }

    /// The method that it is made by.
    var method: HTTPMethod {
        switch self {
        case .headObject: .head
        case .putObject, .copyObject, .uploadPart, .uploadPartCopy, .putObjectAcl: .put
        case .deleteObject, .abortMultipartUpload: .delete
        case .deleteObjects, .createMultipartUpload, .completeMultipartUpload: .post
        case .getObject, .listObjects, .listObjectsV2, .listMultipartUploads, .listParts, .getBucketLocation,
            .getBucketOwnershipControls, .getBucketVersioning, .getBucketLifecycleConfiguration, .getObjectAcl:
            .get
        }
    }
}
