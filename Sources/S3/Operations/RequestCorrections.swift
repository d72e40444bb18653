internal import Logging
internal import ObjectStore
import Synchronization

/// What the next attempt of a request does better than the one that was refused: another region, this machine's clock set right, no checksum,
/// other keys.
extension S3Store {
    /// What an attempt is corrected by at most once a request.
    struct Corrections {
        var location = false
        var clock = false
        var checksum = false
        /// Refusals that other credentials answered.
        var credentials = 0
        /// Keys of one's own that were tried (SSE-C).
        var customerKeys = 1
    }

    /// Learns from a refusal what the next attempt does better; false where there is nothing to learn.
    func correct(
        _ corrections: inout Corrections, _ request: S3Request, _ response: HTTPResponse, _ document: ErrorDocument?,
        _ credentials: Credentials?, _ place: Location
    ) -> Bool {
        let code = document?.code ?? ""
        if !corrections.clock, response.status == 403,
            code == "RequestTimeTooSkewed" || (request.method == .head && document == nil),
            let date = response.headers.value("date").flatMap(DateFormats.parseHTTP)
        {
            let offset = date.seconds - Self.wallClock()
            // S3 takes 15 minutes; a HEAD does not say that this is its reason.
            if code == "RequestTimeTooSkewed" || abs(offset - clockOffset.load(ordering: .relaxed)) > 240 {
                corrections.clock = true
                clockOffset.store(offset, ordering: .relaxed)
                logger.warning(
                    "this machine's clock is \(abs(offset)) s off the store's; requests are dated by the store's")
                return true
            }
        }
        if !corrections.location,
            let next = RegionRedirect.next(
                after: place, status: response.status, headers: response.headers, document: document,
                style: configuration.addressing, bucket: configuration.bucket)
        {
            corrections.location = true
            location.withLock { $0 = next }
            logger.notice("the bucket is in region \(next.region) at \(next.redirectedHost ?? next.endpoint.host)")
            return true
        }
        if !corrections.checksum, sendsCRC32C, Self.refusesChecksum(request, response.status, document) {
            corrections.checksum = true
            if !checksumsRefused.exchange(true, ordering: .relaxed) {
                logger.notice("the store refuses checksums (\(code)): uploads carry an MD5 instead from now on")
            }
            return true
        }
        return false
    }

    /// Whether a refusal is for the checksum that the request carries.
    private static func refusesChecksum(_ request: S3Request, _ status: Int, _ document: ErrorDocument?) -> Bool {
        guard request.headers.contains(where: { $0.name.hasPrefix("x-amz-checksum-") }), let document else {
            return false
        }
        switch document.code {
        case "NotImplemented": return true
        case "InvalidArgument", "InvalidRequest", "UnsupportedArgument":
            let words = document.message.lowercased()
            return words.contains("checksum") || words.contains("header")
        default: return false
        }
    }

    /// What a refusal without a body turned out to mean.
    enum Reason {
        /// The bucket is elsewhere; where, is noted.
        case region
        /// The credentials are no good any more; the store's code.
        case credentials(String)
    }

    /// A HEAD's refusal has no body to say why: asks for the bucket's region by a GET, which is refused for the same reason. One
    /// request, after a 301 or 400, and after a 403 where the credentials are temporary ones.
    func askWhy(
        _ request: S3Request, _ response: HTTPResponse, _ credentials: Credentials?, _ place: Location,
        _ corrections: Corrections
    ) async -> Reason? {
        guard request.method == .head, let engine else { return nil }
        let mayBeElsewhere = !corrections.location && (response.status == 301 || response.status == 400)
        let mayBeExpired =
            corrections.credentials < 3 && credentials?.sessionToken != nil
            && (response.status == 400 || response.status == 403)
        guard mayBeElsewhere || mayBeExpired else { return nil }
        var question = S3Request(.getBucketLocation, .get)
        question.query = [("location", nil)]
        guard
            let wire = try? wireRequest(
                question, credentials: credentials, place: place, timeout: configuration.attemptTimeout)
        else { return nil }
        let outcome = await send(wire, question, attempt: 1, on: engine)
        guard case .success(let answer) = outcome.result else { return nil }
        let document = answer.status < 300 ? nil : ErrorDocument(answer.body)
        if let code = document?.code, Self.refusesCredentials(code) { return .credentials(code) }
        guard mayBeElsewhere else { return nil }
        var next: Location?
        if answer.status < 300 {
            let fields = try? FlatDocument.read(answer.body, root: "LocationConstraint")
            // An empty constraint is S3's oldest region.
            let region = fields.map { $0["LocationConstraint"] ?? "us-east-1" }
            if let region, region != place.region {
                next = RegionRedirect.moved(place, to: region == "EU" ? "eu-west-1" : region)
            }
        } else {
            next = RegionRedirect.next(
                after: place, status: answer.status, headers: answer.headers, document: document,
                style: configuration.addressing, bucket: configuration.bucket)
        }
        guard let next else { return nil }
        location.withLock { $0 = next }
        return .region
    }

    /// Codes of stores that mean: these credentials are no good any more.
    private static func refusesCredentials(_ code: String) -> Bool {
        switch code {
        case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidTokenId", "TokenRefreshRequired",
            "InvalidAccessKeyId":
            true
        default: false
        }
    }

    /// What becomes of credentials that the store has refused.
    enum Renewal {
        /// There are others.
        case changed
        /// There may be others, once their service is back.
        case later
        /// Nothing: there are no others, or it was not they that were refused.
        case none
    }

    /// Asks the provider for others than those that were refused; it renews them where it can. At most three times a request.
    func renewal(after code: String, of old: Credentials?, _ corrections: Corrections) async -> Renewal {
        guard let old, corrections.credentials < 3, Self.refusesCredentials(code) else { return .none }
        do {
            let new = try await credentials.credentials(insteadOf: old)
            return new == nil || new == old ? .none : .changed
        } catch {
            return (error as? CredentialsError)?.isTransient ?? false ? .later : .none
        }
    }
}
