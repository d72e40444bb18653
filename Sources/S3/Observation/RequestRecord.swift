public import ObjectStore

/// One attempt of a request, after its end: for a log of requests.
///
/// It holds nothing secret: no header, no signature, no content.
public struct RequestRecord: Sendable {
    /// S3's name of the operation.
    public var operation: String
    /// `GET`
    public var method: String
    /// The key; nil for the bucket itself.
    public var key: ObjectKey?
    /// The HTTP status; nil where there was no answer.
    public var status: Int?
    /// Bytes of body that came.
    public var bytesReceived: Int64
    /// Bytes of body that went out.
    public var bytesSent: Int64
    /// How long it took, the wait for a connection included, in nanoseconds.
    public var nanoseconds: UInt64
    /// How often it went out: 0 where there was no connection, 2 where a kept connection turned out to be closed.
    public var timesSent: Int
    /// 1 for the first attempt of a request, 2 for the next.
    public var attempt: Int
    /// The store's number of the request; nil where it told none.
    public var requestID: String?
    /// Why there was no answer, or none to its end: one of ``RequestMetrics/failureReasons``' words, or nil.
    public var failure: String?
}
