/// A request that a store refused, or that never got a good answer. Typed, so that one place can turn it into an errno.
///
/// Retries are over when this is thrown: the store's own layer has made them within the request's deadline.
public struct StoreError: Error, Sendable, Equatable {
    /// What went wrong, as far as a caller may act on it.
    public enum Kind: Sendable, Hashable {
        /// 404: there is no such key. The only kind that means "not there".
        case notFound
        /// 404 with `NoSuchBucket`.
        case noSuchBucket
        /// 404 with `NoSuchUpload`: the multipart upload was completed, aborted or never made.
        case noSuchUpload
        /// 412 (or 409 `ConditionalRequestConflict`): the precondition did not hold.
        case preconditionFailed
        /// 403: the credentials may not do this, or are wrong (see `code`).
        case accessDenied
        /// 416: the range lies outside the object.
        case rangeNotSatisfiable
        /// 400 and other refusals of the request itself.
        case invalidRequest
        /// `KeyTooLongError`.
        case keyTooLong
        /// `EntityTooLarge`, `EntityTooSmall`, `MetadataTooLarge`: a limit of the store.
        case limitExceeded
        /// `InvalidObjectState`: archived, to be restored first.
        case archived
        /// 501, or a refusal that says that the feature is not there.
        case notImplemented
        /// 503 or 429 to the end of the deadline.
        case throttled
        /// Any other 5xx to the end of the deadline.
        case serverError
        /// No answer in time.
        case timedOut
        /// No connection: name, route, refusal, reset.
        case unreachable
        /// The certificate or the TLS handshake.
        case tls
        /// An answer that is no S3 answer, is cut short, or fails its checksum.
        case badResponse
        /// The body to be sent could not be read from this machine.
        case bodyUnreadable
        /// The caller gave up.
        case cancelled
    }

    /// What went wrong.
    public var kind: Kind
    /// The S3 operation: `PutObject`.
    public var operation: String
    /// The key, where one was concerned.
    public var key: ObjectKey?
    /// The HTTP status; nil where there was no answer.
    public var status: Int?
    /// The store's code: `SlowDown`.
    public var code: String?
    /// The store's or the transport's words, never holding a secret.
    public var message: String
    /// The store's id of the request, for its operator.
    public var requestID: String?
    /// Whether an earlier attempt got no answer, so that the mutation may have taken effect all the same: the caller of a
    /// conditional PUT that failed by its precondition then has to look whether the object is its own.
    public var isAmbiguous: Bool

    /// An error of the given parts.
    public init(
        _ kind: Kind, operation: String, key: ObjectKey? = nil, status: Int? = nil, code: String? = nil,
        message: String = "", requestID: String? = nil, isAmbiguous: Bool = false
    ) {
        self.kind = kind
        self.operation = operation
        self.key = key
        self.status = status
        self.code = code
        self.message = message
        self.requestID = requestID
        self.isAmbiguous = isAmbiguous
    }
}

extension StoreError: CustomStringConvertible {
    /// One line for a person: what failed, on which key, what the store said.
    public var description: String {
        var text = operation
        if let key { text += " of \"\(key)\"" }
        text += " failed: "
        switch (status, code) {
        case (let status?, let code?): text += "\(status) \(code)"
        case (let status?, nil): text += "HTTP \(status)"
        case (nil, let code?): text += code
        case (nil, nil): text += "\(kind)"
        }
        if !message.isEmpty { text += ": \(message)" }
        if let requestID { text += " (request \(requestID))" }
        return text
    }
}
