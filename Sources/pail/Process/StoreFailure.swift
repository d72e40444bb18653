import ObjectStore
import S3

/// Turns a store's refusal at the start of a mount into the line that a person reads, and the status that a script reads: what
/// failed, on which bucket, what the store said, what to do.
enum StoreFailure {
    /// Where the failing request went.
    struct Context: Sendable, Equatable {
        /// The bucket.
        var bucket: String
        /// The store's URL.
        var endpoint: String
        /// The region that was signed for.
        var region: String
        /// Whether requests carry no signature.
        var isAnonymous: Bool
        /// Where the keys came from: `the environment`.
        var origin: String
    }

    /// The command's end for `error`.
    static func commandError(for error: StoreError, in context: Context) -> CommandError {
        let bucket = "bucket \"\(context.bucket)\" at \(context.endpoint)"
        let (status, cause, advice) = diagnosis(error, context)
        let answer = said(error)
        return CommandError(
            status, "\(bucket): \(cause)\(answer.isEmpty ? "" : " (\(answer))")\(advice.isEmpty ? "" : "; \(advice)")")
    }

    private static func diagnosis(_ error: StoreError, _ context: Context) -> (ExitStatus, String, advice: String) {
        if let byCode = diagnosis(ofCode: error.code ?? "", context) { return byCode }
        switch error.kind {
        case .noSuchBucket, .notFound:
            return (.refused, "there is no such bucket", "check its name, and --endpoint-url")
        case .accessDenied:
            return context.isAnonymous
                ? (.refused, "access denied without credentials", "leave out --anonymous and give keys")
                : (
                    .refused, "access denied",
                    "the keys (from \(context.origin)) need s3:ListBucket on the bucket, and the right secret"
                )
        case .unreachable:
            return (.unreachable, "the store cannot be reached", "check --endpoint-url and that the store runs")
        case .timedOut:
            return (
                .unreachable, "the store does not answer in time",
                "check --endpoint-url and the network; --request-deadline and --connect-timeout set how long to wait"
            )
        case .tls:
            return (
                .unreachable, "no trusted TLS connection",
                "name the store's CA by --ca-bundle, or use an http:// endpoint if it has no TLS"
            )
        case .badResponse:
            return (.unreachable, "what answers is no S3 store", "check --endpoint-url: its host, port and path")
        case .notImplemented:
            return (
                .unreachable, "the store does not know the request", "try --list-version 1, and check --endpoint-url"
            )
        case .throttled:
            return (.unreachable, "the store is overloaded", "try again later")
        case .serverError:
            return (.unreachable, "the store failed", "try again later; its operator's log may say more")
        case .invalidRequest, .preconditionFailed, .rangeNotSatisfiable, .keyTooLong, .limitExceeded, .archived,
            .noSuchUpload:
            return (.refused, "the store refused the request", "check --region, --addressing and --endpoint-url")
        case .cancelled: return (.failure, "interrupted", "")
        case .bodyUnreadable: return (.failure, "data of this machine could not be read", "")
        }
    }

    /// What a store's own code says more exactly than the kind. See
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
    private static func diagnosis(ofCode code: String, _ context: Context) -> (ExitStatus, String, advice: String)? {
        switch code {
        case "CredentialsUnavailable":
            (.configuration, "there are no keys to sign with", "they come from \(context.origin)")
        case "InvalidAccessKeyId":
            (.refused, "the store does not know the access key", "check the key, from \(context.origin)")
        case "SignatureDoesNotMatch":
            (.refused, "the secret key is wrong", "check the secret, from \(context.origin)")
        case "ExpiredToken", "TokenRefreshRequired":
            (.refused, "the session token has expired", "get new keys, for \(context.origin)")
        case "InvalidToken":
            (
                .refused, "the session token is wrong",
                "check AWS_SESSION_TOKEN or aws_session_token, from \(context.origin)"
            )
        case "RequestTimeTooSkewed":
            (.refused, "this machine's clock is wrong", "set it by NTP")
        case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
            (.refused, "the bucket lies in another region than \(context.region)", "name it by --region")
        case "InvalidBucketName":
            (.refused, "the store takes no bucket of this name", "check the name")
        case "AllAccessDisabled", "AccountProblem":
            (.refused, "the account or the bucket is closed", "ask the store's operator")
        default: nil
        }
    }

    /// The store's own words: `403 AccessDenied: Access Denied.`
    private static func said(_ error: StoreError) -> String {
        var text = [error.status.map(String.init), error.code].compactMap { $0 }.joined(separator: " ")
        if !error.message.isEmpty { text += (text.isEmpty ? "" : ": ") + error.message }
        if let id = error.requestID, !id.isEmpty { text += ", request \(id)" }
        return text
    }
}
