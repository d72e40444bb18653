internal import ObjectStore

/// The one place where an answer that refuses becomes a ``StoreError``.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
enum ErrorMapping {
    /// An error of an answer.
    /// - Parameter document: the error in its body; nil where it has none.
    static func error(
        _ request: S3Request, status: Int, headers: HTTPHeaders, body: [UInt8], document: ErrorDocument?
    ) -> StoreError {
        let code = document?.code ?? ""
        var message = document?.message ?? ""
        var kind = kind(status: status, code: code, isBucketLevel: request.key == nil)
        if document == nil, !body.isEmpty, status < 500, status != 429, let format = foreignFormat(body, headers) {
            // A 404 of a web server is no word on a key.
            kind = .badResponse
            message = "the endpoint does not speak S3 (it answered \(format))"
        } else if document == nil, status >= 300, status < 400 {
            message = "the endpoint redirects to \(headers.value("location") ?? "another place")"
        }
        return StoreError(
            kind, operation: request.operation.rawValue, key: request.key, status: status,
            code: code.isEmpty ? nil : code, message: message,
            requestID: document?.requestID ?? headers.value("x-amz-request-id"))
    }

    /// An error for a request that got no answer.
    static func error(_ request: S3Request, _ failure: HTTPFailure) -> StoreError {
        let kind: StoreError.Kind =
            switch failure.kind {
            case .cancelled: .cancelled
            case .unreachable, .broken: .unreachable
            case .untrusted, .handshake: .tls
            case .timedOut: .timedOut
            case .malformed, .refused: .badResponse
            case .bodyUnreadable: .bodyUnreadable
            case .unsendable: .invalidRequest
            }
        return StoreError(kind, operation: request.operation.rawValue, key: request.key, message: failure.message)
    }

    /// The kind of a refusal.
    static func kind(status: Int, code: String, isBucketLevel: Bool) -> StoreError.Kind {
        switch code {
        case "NoSuchBucket": return .noSuchBucket
        case "NoSuchUpload": return .noSuchUpload
        case "NoSuchKey", "NoSuchVersion", "NoSuchLifecycleConfiguration": return .notFound
        case "PreconditionFailed", "ConditionalRequestConflict": return .preconditionFailed
        case "InvalidRange": return .rangeNotSatisfiable
        case "KeyTooLongError", "KeyTooLong": return .keyTooLong
        case "EntityTooLarge", "EntityTooSmall", "MetadataTooLarge", "MaxMessageLengthExceeded", "QuotaExceeded",
            "TooManyParts":
            return .limitExceeded
        case "InvalidObjectState": return .archived
        case "NotImplemented": return .notImplemented
        case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
            "TokenRefreshRequired", "AuthorizationHeaderMalformed", "InvalidSecurity", "AccountProblem",
            "RequestTimeTooSkewed", "RequestExpired", "AllAccessDisabled":
            return .accessDenied
        case "SlowDown", "ServiceUnavailable", "SlowDownRead", "SlowDownWrite", "TooManyRequests",
            "RequestLimitExceeded", "Throttling", "ThrottlingException":
            return .throttled
        case "RequestTimeout": return .timedOut
        case "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch": return .badResponse
        case "InternalError": return .serverError
        default: break
        }
        switch status {
        case 401, 403: return .accessDenied
        case 404: return isBucketLevel ? .noSuchBucket : .notFound
        case 405, 501: return .notImplemented
        case 408: return .timedOut
        case 412: return .preconditionFailed
        case 413: return .limitExceeded
        case 416: return .rangeNotSatisfiable
        case 429, 503: return .throttled
        case 500...: return .serverError
        case ..<400: return .badResponse
        default: return .invalidRequest
        }
    }

    /// What a body is that is no S3 error; nil where it might be one that is merely short.
    private static func foreignFormat(_ body: [UInt8], _ headers: HTTPHeaders) -> String? {
        if headers.value("content-type")?.lowercased().hasPrefix("text/html") == true { return "HTML" }
        let start = body.firstIndex { $0 > 32 } ?? body.count
        let head = body[start...].prefix(14).map(HTTPHeaders.lowercase)
        if head.starts(with: "<html".utf8) || head.starts(with: "<!doctype html".utf8) { return "HTML" }
        if head.first == UInt8(ascii: "{") || head.first == UInt8(ascii: "[") { return "JSON" }
        return nil
    }
}
