/// Which failures are tried again, and when.
///
/// Full jitter: before the n-th retry a random time between nothing and `base · 2ⁿ` (at most `max`) is waited, so that many
/// clients that failed together do not come back together
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>). A kept connection that the server closed while
/// it was idle says nothing of the server: the first such failure is tried again at once. The whole ends with the
/// request's deadline or its number of attempts. A pure value: told what happened, it answers what to do.
struct RetryPolicy: Sendable {
    /// The wait before the first retry is up to this.
    var baseDelay: Duration
    /// No wait is longer, unless the server asks for it.
    var maxDelay: Duration
    /// The most attempts, the first included.
    var maxAttempts: Int

    /// What went wrong.
    enum Failure: Sendable, Equatable {
        /// No answer.
        case transport(HTTPFailure.Kind, wasReused: Bool)
        /// An answer that refuses.
        case refusal(status: Int, code: String, retryAfter: Duration?)
        /// A good status with a body that cannot be read, or that is not whole.
        case malformed
    }

    /// What to do.
    enum Decision: Sendable, Equatable {
        /// Try again after so long.
        case retry(after: Duration)
        /// It is final.
        case giveUp
    }

    /// What has been tried for one request.
    struct History: Sendable, Equatable {
        /// Attempts that failed since the last progress.
        fileprivate(set) var failures = 0
        fileprivate var staleRetries = 0
        fileprivate var doubtfulRetries = 0
        /// All attempts that failed.
        fileprivate(set) var total = 0

        /// Bytes of content came since the last failure: the server lives, and waiting starts small again.
        mutating func progressed() { failures = 0 }
    }

    /// Codes that mean "later", whatever the status they come with.
    private static let transientCodes: Set<String> = [
        "SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout", "RequestTimeoutException", "InternalError",
        "ServiceUnavailable", "Busy", "ServerBusy", "OperationAborted", "IncompleteBody", "Throttling",
        "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
    ]
    /// Codes that say that the content arrived changed: worth two more attempts.
    private static let damageCodes: Set<String> = [
        "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch",
    ]

    /// What to do after a failure.
    /// - Parameter left: the time to the request's deadline.
    func decide(
        _ failure: Failure, history: inout History, left: Duration,
        using random: inout some RandomNumberGenerator
    ) -> Decision {
        var least = Duration.zero
        switch failure {
        case .transport(let kind, let wasReused):
            switch kind {
            case .cancelled, .untrusted, .refused, .bodyUnreadable, .unsendable: return .giveUp
            case .malformed:
                guard history.doubtfulRetries < 2 else { return .giveUp }
                history.doubtfulRetries += 1
            case .broken where wasReused && history.staleRetries == 0:
                history.staleRetries += 1
                history.total += 1
                return left > .zero ? .retry(after: .zero) : .giveUp
            case .broken, .unreachable, .handshake, .timedOut: break
            }
        case .malformed:
            guard history.doubtfulRetries < 2 else { return .giveUp }
            history.doubtfulRetries += 1
        case .refusal(let status, let code, let retryAfter):
            if Self.damageCodes.contains(code) {
                guard history.doubtfulRetries < 2 else { return .giveUp }
                history.doubtfulRetries += 1
            } else {
                guard Self.isTransient(status: status, code: code) else { return .giveUp }
            }
            least = retryAfter ?? .zero
        }
        history.failures += 1
        history.total += 1
        guard history.failures < maxAttempts else { return .giveUp }
        var ceiling = baseDelay
        for _ in 1..<max(2, min(history.failures, 24)) where ceiling < maxDelay { ceiling = ceiling * 2 }
        ceiling = min(ceiling, maxDelay)
        let part = Double.random(in: 0...1, using: &random)
        let delay = max(ceiling * part, least)
        return delay < left ? .retry(after: delay) : .giveUp
    }

    /// Whether a failure is one of a store that is away or cannot work, which may pass by itself.
    static func isOutage(_ failure: Failure) -> Bool {
        switch failure {
        case .transport(let kind, _):
            switch kind {
            case .broken, .unreachable, .handshake, .timedOut: true
            case .cancelled, .untrusted, .refused, .bodyUnreadable, .unsendable, .malformed: false
            }
        case .refusal(let status, let code, _): isTransient(status: status, code: code)
        case .malformed: false
        }
    }

    /// Whether an answer means "later".
    static func isTransient(status: Int, code: String) -> Bool {
        switch status {
        case 500, 502, 503, 504, 429, 408: code != "NotImplemented"
        default: transientCodes.contains(code)
        }
    }
}
