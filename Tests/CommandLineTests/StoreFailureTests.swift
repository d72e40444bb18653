import ObjectStore
import Testing

@testable import pail

@Suite struct StoreFailureTests {
    private let context = StoreFailure.Context(
        bucket: "buck", endpoint: "http://h:1", region: "us-east-1", isAnonymous: false, origin: "profile \"work\"")

    private func end(
        _ kind: StoreError.Kind, status: Int? = nil, code: String? = nil, message: String = "", anonymous: Bool = false
    ) -> CommandError {
        var context = context
        context.isAnonymous = anonymous
        return StoreFailure.commandError(
            for: StoreError(
                kind, operation: "HeadBucket", status: status, code: code, message: message, requestID: "R1"),
            in: context)
    }

    @Test(
        arguments: [
            (.noSuchBucket, "NoSuchBucket", .refused, "no such bucket"), (.notFound, nil, .refused, "no such bucket"),
            (.accessDenied, "CredentialsUnavailable", .configuration, "no keys to sign with"),
            (.accessDenied, "InvalidAccessKeyId", .refused, "does not know the access key"),
            (.accessDenied, "SignatureDoesNotMatch", .refused, "secret key is wrong"),
            (.accessDenied, "AccessDenied", .refused, "access denied"), (.accessDenied, nil, .refused, "access denied"),
            (.accessDenied, "RequestTimeTooSkewed", .refused, "clock"),
            (.invalidRequest, "ExpiredToken", .refused, "expired"),
            (.invalidRequest, "AuthorizationHeaderMalformed", .refused, "--region"),
            (.unreachable, nil, .unreachable, "cannot be reached"),
            (.timedOut, nil, .unreachable, "does not answer in time"),
            (.tls, nil, .unreachable, "--ca-bundle"), (.badResponse, nil, .unreachable, "no S3 store"),
            (.serverError, "InternalError", .unreachable, "the store failed"),
            (.throttled, "SlowDown", .unreachable, "overloaded"),
            (.notImplemented, "NotImplemented", .unreachable, "--list-version"),
            (.cancelled, nil, .failure, "interrupted"),
        ] as [(StoreError.Kind, String?, pail.ExitStatus, String)])
    func kinds(_ kind: StoreError.Kind, _ code: String?, _ status: pail.ExitStatus, _ part: String) {
        let error = end(kind, code: code)
        #expect(error.status == status)
        #expect(error.message.contains(part), "\(error.message)")
        #expect(error.message.hasPrefix("bucket \"buck\" at http://h:1: "))
        #expect(error.message.contains("request R1"))
    }

    @Test func tellsWhatTheStoreSaidAndWhereTheKeysCameFrom() {
        let error = end(.accessDenied, status: 403, code: "AccessDenied", message: "Access\nDenied.")
        #expect(
            error.line
                == "pail: bucket \"buck\" at http://h:1: access denied (403 AccessDenied: Access\\nDenied., request R1); "
                + "the keys (from profile \"work\") need s3:ListBucket on the bucket, and the right secret")
        #expect(end(.accessDenied, anonymous: true).message.contains("--anonymous"))
    }
}
