internal import Logging
internal import Metrics
internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// From an operation to its answer: sign, send, judge, correct, try again.
extension S3Store {
    /// What an attempt is corrected by at most once a request.
    private struct Corrections {
        var location = false
        var clock = false
        var checksum = false
        /// Refusals that other credentials answered.
        var credentials = 0
        /// Keys of one's own that were tried (SSE-C).
        var customerKeys = 1
    }

    /// The longest listing: 1,000 keys of 1,024 bytes, encoded threefold, with room for the rest.
    static let documentLimit = 16 << 20

    /// Sends a request until it has a good answer, a final refusal, or its deadline is over.
    ///
    /// - Parameters:
    ///   - maxAttempts: fewer than the configuration's, where someone waits for the word.
    ///   - make: the request, made anew for each attempt (a download asks for what is missing, a refused checksum is left out).
    ///   - read: the answer's meaning; its failure counts as a broken answer and is tried again twice.
    func perform<Value>(
        maxAttempts: Int? = nil, make: () throws(StoreError) -> S3Request,
        read: (HTTPResponse) throws(XMLReader.Failure) -> Value
    ) async throws(StoreError) -> Value {
        var request = try make()
        guard let engine, defect == nil else {
            throw fail(
                StoreError(
                    .invalidRequest, operation: request.operation.rawValue, key: request.key, message: defect ?? ""))
        }
        var policy = retryPolicy
        if let maxAttempts { policy.maxAttempts = min(maxAttempts, policy.maxAttempts) }
        var time = requestTime(request.pace)
        var history = RetryPolicy.History()
        var corrections = Corrections()
        var random = SystemRandomNumberGenerator()
        var isAmbiguous = false
        var attempts = 0
        var keyPlace = customerKeys.likeliest(for: request)
        while true {
            if Task.isCancelled { throw fail(cancelled(request)) }
            let now = ContinuousClock.now
            let failure: RetryPolicy.Failure
            var error: StoreError
            attempt: do {
                let credentials: Credentials?
                switch await currentCredentials(request) {
                case .success(let current): credentials = current
                case .failure(let problem):
                    // Their service may be back before the request's deadline is over.
                    guard problem.isTransient else { throw fail(problem.error) }
                    error = problem.error
                    failure = .transport(.unreachable, wasReused: false)
                    time.attemptEnded(began: now, now: .now, wasTaken: false, idle: .zero)
                    break attempt
                }
                let place = location.withLock { $0 }
                var wire = try wireRequest(
                    customerKeys.applied(to: request, at: keyPlace), credentials: credentials, place: place,
                    timeout: attemptTime(request.pace, left: time.left(at: now)))
                wire.connectTimeout = max(.milliseconds(1), time.leftToRetry(at: now))
                attempts += 1
                let outcome = await send(wire, request, attempt: attempts, on: engine)
                time.attemptEnded(
                    began: now, now: .now, wasTaken: Self.wasTaken(request.pace, outcome), idle: idleTime(wire, outcome)
                )
                noteReachability(outcome)
                switch outcome.result {
                case .success(let response):
                    let document =
                        response.status >= 300 || request.operation.mayFailInBody ? ErrorDocument(response.body) : nil
                    if response.status < 300, document == nil {
                        do throws(XMLReader.Failure) {
                            let value = try read(response)
                            customerKeys.succeeded(request, at: keyPlace)
                            return value
                        } catch let problem {
                            error = StoreError(
                                .badResponse, operation: request.operation.rawValue, key: request.key,
                                status: response.status, message: problem.description,
                                requestID: response.headers.value("x-amz-request-id"))
                            failure = .malformed
                            isAmbiguous = isAmbiguous || request.operation.isMutation
                            break
                        }
                    }
                    // An error in a 200 answer has the status that its code stands for.
                    let status = response.status < 300 ? 500 : response.status
                    error = ErrorMapping.error(
                        request, status: response.status, headers: response.headers, body: response.body,
                        document: document)
                    if response.status < 300, error.kind == .badResponse { error.kind = .serverError }
                    let code = document?.code ?? ""
                    if request.operation.isMutation,
                        outcome.timesSent > 1 || Self.leavesDoubt(status: status, code: code)
                    {
                        isAmbiguous = true
                    }
                    if correct(&corrections, request, response, document, credentials, place) {
                        request = try make()
                        continue
                    }
                    if let next = customerKeys.next(
                        after: keyPlace, tried: corrections.customerKeys, request, status: response.status, code: code)
                    {
                        corrections.customerKeys += 1
                        keyPlace = next
                        request = try make()
                        continue
                    }
                    let reason = await askWhy(request, response, credentials, place, corrections)
                    if case .region = reason {
                        corrections.location = true
                        continue
                    }
                    var refusal = code
                    if case .credentials(let told) = reason { refusal = told }
                    switch await renewal(after: refusal, of: credentials, corrections) {
                    case .changed:
                        corrections.credentials += 1
                        continue
                    case .later: failure = .transport(.unreachable, wasReused: false)
                    case .none:
                        failure = .refusal(
                            status: response.status < 300 && RetryPolicy.isTransient(status: 0, code: code) == false
                                ? 200 : status,
                            code: code, retryAfter: retryAfter(response.headers))
                    }
                case .failure(let problem):
                    error = ErrorMapping.error(request, problem)
                    if request.operation.isMutation, outcome.timesSent > 0 { isAmbiguous = true }
                    if request.receiver != nil, outcome.bytesReceived > 0 { history.progressed() }
                    failure = .transport(problem.kind, wasReused: problem.wasReused)
                }
            }
            error.isAmbiguous = isAmbiguous
            if error.kind == .cancelled || Task.isCancelled { throw fail(cancelled(request, isAmbiguous)) }
            switch policy.decide(failure, history: &history, left: time.leftToRetry(at: .now), using: &random) {
            case .giveUp:
                guard maxAttempts == nil, configuration.onOutage == .wait, RetryPolicy.isOutage(failure) else {
                    throw fail(error)
                }
                // As if begun anew, but for the doubt whether it has taken effect.
                metrics.retried()
                logger.debug("waiting for the store: \(error)")
                do { try await Task.sleep(for: Self.outagePause) } catch { throw fail(cancelled(request, isAmbiguous)) }
                time = requestTime(request.pace)
                history = RetryPolicy.History()
                request = try make()
            case .retry(let delay):
                metrics.retried()
                logger.debug("trying again in \(delay.milliseconds) ms: \(error)")
                if delay > .zero {
                    do { try await Task.sleep(for: delay) } catch { throw fail(cancelled(request, isAmbiguous)) }
                }
                request = try make()
            }
        }
    }

    /// Between the end of one deadline and the next while the store is waited for.
    private static let outagePause: Duration = .seconds(2)

    /// Notes whether the store answered, and says so once when that changes.
    private func noteReachability(_ outcome: HTTPOutcome) {
        let now = ContinuousClock.now
        let change: Reachability.Change?
        switch outcome.result {
        case .success(let response) where response.status < 500:
            change = reachability.withLock { $0.answered(at: now) }
        case .success: change = reachability.withLock { $0.failed(at: now) }
        case .failure(let problem) where problem.kind == .cancelled || problem.kind == .bodyUnreadable: change = nil
        case .failure: change = reachability.withLock { $0.failed(at: now) }
        }
        switch change {
        case nil: break
        case .lost:
            let policy = configuration.onOutage == .wait ? "requests wait for it" : "requests fail after their deadline"
            logger.error("the store cannot be reached or fails: \(policy)", metadata: ["store": "\(name)"])
        case .back(let duration):
            logger.notice(
                "the store answers again, after \(duration.components.seconds) s", metadata: ["store": "\(name)"])
        }
    }

    /// A refusal after which the mutation may have been made all the same.
    private static func leavesDoubt(status: Int, code: String) -> Bool {
        switch status {
        case 500, 502, 504: code != "NotImplemented"
        default: false
        }
    }

    private func requestTime(_ pace: S3Request.Pace) -> RequestTime {
        let total: Duration =
            switch pace {
            case .metadata: configuration.requestDeadline
            case .transfer(let length):
                configuration.requestDeadline + .seconds(length / max(1, configuration.minimumThroughput))
            case .serverSide: configuration.copyDeadline
            }
        return RequestTime(patience: configuration.requestDeadline, total: total, now: .now)
    }

    /// Whether the store had the request, so that the attempt's time was its work and not a wait for a store.
    private static func wasTaken(_ pace: S3Request.Pace, _ outcome: HTTPOutcome) -> Bool {
        switch pace {
        case .metadata: false
        case .transfer: outcome.bytesSent > 0 || outcome.bytesReceived > 0
        case .serverSide: outcome.timesSent > 0
        }
    }

    /// How long nothing came or went at the end of an attempt: the stall limit, where that may have ended it.
    private func idleTime(_ wire: HTTPRequest, _ outcome: HTTPOutcome) -> Duration {
        guard case .failure(let problem) = outcome.result, problem.kind == .timedOut else { return .zero }
        return .seconds(wire.stallSeconds)
    }

    private func attemptTime(_ pace: S3Request.Pace, left: Duration) -> Duration {
        switch pace {
        case .metadata: max(.milliseconds(1), min(configuration.attemptTimeout, left))
        case .transfer, .serverSide: max(.milliseconds(1), left)
        }
    }

    private func cancelled(_ request: S3Request, _ isAmbiguous: Bool = false) -> StoreError {
        StoreError(
            .cancelled, operation: request.operation.rawValue, key: request.key, message: "cancelled",
            isAmbiguous: isAmbiguous)
    }

    /// Why there is nothing to sign with.
    private struct CredentialsProblem: Error {
        var error: StoreError
        var isTransient: Bool
    }

    private func currentCredentials(_ request: S3Request) async -> Result<Credentials?, CredentialsProblem> {
        do { return .success(try await credentials.credentials()) } catch is CancellationError {
            return .failure(CredentialsProblem(error: cancelled(request), isTransient: false))
        } catch {
            let isTransient = (error as? CredentialsError)?.isTransient ?? false
            return .failure(
                CredentialsProblem(
                    error: StoreError(
                        isTransient ? .unreachable : .accessDenied, operation: request.operation.rawValue,
                        key: request.key, code: "CredentialsUnavailable", message: "\(error)"),
                    isTransient: isTransient))
        }
    }

    private func fail(_ error: StoreError) -> StoreError {
        metrics.failed()
        return error
    }

    /// Sends an attempt, counts it and tells whoever keeps a record of it.
    private func send(_ wire: HTTPRequest, _ request: S3Request, attempt: Int, on engine: HTTPEngine) async
        -> HTTPOutcome
    {
        metrics.began()
        let start = MonotonicTime.nanoseconds
        let outcome = await engine.perform(wire)
        let time = MonotonicTime.nanoseconds - start
        metrics.ended(request.operation, outcome, nanoseconds: time)
        guard let tell = configuration.onRequest else { return outcome }
        var record = RequestRecord(
            operation: request.operation.rawValue, method: request.method.rawValue, key: request.key,
            status: outcome.status == 0 ? nil : outcome.status, bytesReceived: outcome.bytesReceived,
            bytesSent: outcome.bytesSent, nanoseconds: time, timesSent: outcome.timesSent, attempt: attempt)
        switch outcome.result {
        case .success(let response): record.requestID = response.headers.value("x-amz-request-id")
        case .failure(let problem): record.failure = RequestMetrics.reason(problem.kind)
        }
        tell(record)
        return outcome
    }

    /// `Retry-After` in seconds; a date is not used by any store seen.
    private func retryAfter(_ headers: HTTPHeaders) -> Duration? {
        headers.integer("retry-after").map { .seconds(min($0, 3600)) }
    }

    // MARK: Corrections

    /// Learns from a refusal what the next attempt does better; false where there is nothing to learn.
    private func correct(
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
    private enum Reason {
        /// The bucket is elsewhere; where, is noted.
        case region
        /// The credentials are no good any more; the store's code.
        case credentials(String)
    }

    /// A HEAD's refusal has no body to say why: asks for the bucket's region by a GET, which is refused for the same reason. One
    /// request, after a 301 or 400, and after a 403 where the credentials are temporary ones.
    private func askWhy(
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
    private enum Renewal {
        /// There are others.
        case changed
        /// There may be others, once their service is back.
        case later
        /// Nothing: there are no others, or it was not they that were refused.
        case none
    }

    /// Asks the provider for others than those that were refused; it renews them where it can. At most three times a request.
    private func renewal(after code: String, of old: Credentials?, _ corrections: Corrections) async -> Renewal {
        guard let old, corrections.credentials < 3, Self.refusesCredentials(code) else { return .none }
        do {
            let new = try await credentials.credentials(insteadOf: old)
            return new == nil || new == old ? .none : .changed
        } catch {
            return (error as? CredentialsError)?.isTransient ?? false ? .later : .none
        }
    }

    // MARK: To the wire

    /// Seconds of Unix time by this machine's clock.
    static func wallClock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec)
    }

    /// The request as it goes out: URL and headers as bytes, signed.
    func wireRequest(
        _ request: S3Request, credentials: Credentials?, place: Location, timeout: Duration
    ) throws(StoreError) -> HTTPRequest {
        let host =
            place.redirectedHost
            ?? (configuration.addressing == .virtualHost
                ? "\(configuration.bucket).\(place.endpoint.host)" : place.endpoint.host)
        let authority = place.endpoint.authority(host: host)
        var path = Array(place.endpoint.base.utf8)
        if configuration.addressing == .path {
            path.append(UInt8(ascii: "/"))
            URIEncoding.append(configuration.bucket, keepingSlash: false, to: &path)
        }
        if let key = request.key {
            path.append(UInt8(ascii: "/"))
            URIEncoding.append(key.string, keepingSlash: true, to: &path)
        } else if path.isEmpty || configuration.addressing == .virtualHost {
            path.append(UInt8(ascii: "/"))
        }
        let query = Self.encodedQuery(request.query)

        var fields: [SignatureV4.Field] = []
        fields.reserveCapacity(request.headers.count + configuration.extraHeaders.count + 6)
        fields.append(("host", authority))
        fields += request.headers
        for extra in configuration.extraHeaders { fields.append((extra.name.lowercased(), extra.value)) }
        if configuration.requesterPays { fields.append(("x-amz-request-payer", "requester")) }
        for field in fields where !Self.isSendable(field) {
            throw StoreError(
                .invalidRequest, operation: request.operation.rawValue, key: request.key,
                message: "the header \(field.name) holds a line end, a NUL or no proper name")
        }
        var authorization: String?
        if let credentials {
            let now = Self.wallClock() + clockOffset.load(ordering: .relaxed)
            let scope = SignatureV4.Scope(timestamp: DateFormats.basic(now), region: place.region)
            let payload =
                request.payloadHash ?? (request.body == nil ? SignatureV4.emptyPayload : SignatureV4.unsignedPayload)
            fields.append(("x-amz-content-sha256", payload))
            fields.append(("x-amz-date", scope.timestamp))
            if let token = credentials.sessionToken { fields.append(("x-amz-security-token", token)) }
            let key = signingKeys.key(secret: credentials.secretAccessKey, scope: scope)
            authorization = SignatureV4.sign(
                method: request.method.rawValue, path: path, query: query, fields: fields, payloadHash: payload,
                scope: scope, key: key
            ).authorization(accessKeyID: credentials.accessKeyID, scope: scope)
        }

        var url: [UInt8] = []
        url.reserveCapacity(16 + authority.utf8.count + path.count + query.count)
        url.append(contentsOf: place.endpoint.scheme.utf8)
        url.append(contentsOf: "://".utf8)
        url.append(contentsOf: authority.utf8)
        url.append(contentsOf: path)
        if !query.isEmpty {
            url.append(UInt8(ascii: "?"))
            url.append(contentsOf: query)
        }
        url.append(0)

        var wire = HTTPRequest(
            method: request.method, url: url, headers: Self.headerBlock(fields, authorization: authorization),
            body: request.body, receiver: request.receiver, collectLimit: request.collectLimit, timeout: timeout)
        // Who waits for no store longer than so waits for no byte of one either.
        let stallLimit = min(configuration.stallLimit, configuration.requestDeadline)
        wire.stallSeconds = Int(max(1, stallLimit.components.seconds))
        switch request.pace {
        case .metadata: wire.expectedLength = Int64(request.collectLimit > 64 << 10 ? request.collectLimit : 0)
        case .transfer(let length): wire.expectedLength = request.receiver == nil ? 0 : length
        case .serverSide: wire.stallSeconds = 0
        }
        return wire
    }

    /// The query in order of its encoded names, as it is signed.
    static func encodedQuery(_ query: [(name: String, value: String?)]) -> [UInt8] {
        guard !query.isEmpty else { return [] }
        let encoded = query.map { item in
            (
                URIEncoding.encode(item.name, keepingSlash: false),
                URIEncoding.encode(item.value ?? "", keepingSlash: false)
            )
        }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        var output: [UInt8] = []
        for (name, value) in encoded {
            if !output.isEmpty { output.append(UInt8(ascii: "&")) }
            output.append(contentsOf: name.utf8)
            output.append(UInt8(ascii: "="))
            output.append(contentsOf: value.utf8)
        }
        return output
    }

    /// Nothing that could end the line or begin another.
    static func isSendable(_ field: SignatureV4.Field) -> Bool {
        !field.name.isEmpty
            && field.name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: ":") }
            && field.value.utf8.allSatisfy { ($0 >= 32 && $0 != 127) || $0 == 9 }
    }

    /// The lines for libcurl, each NUL-terminated. `name;` is how it wants a field without a value, `name:` takes out one of its own.
    static func headerBlock(_ fields: [SignatureV4.Field], authorization: String?) -> [UInt8] {
        var block: [UInt8] = []
        block.reserveCapacity(1024)
        for (name, value) in fields {
            block.append(contentsOf: name.utf8)
            if value.isEmpty {
                block.append(UInt8(ascii: ";"))
            } else {
                block.append(UInt8(ascii: ":"))
                block.append(UInt8(ascii: " "))
                block.append(contentsOf: value.utf8)
            }
            block.append(0)
        }
        if let authorization {
            block.append(contentsOf: "authorization: ".utf8)
            block.append(contentsOf: authorization.utf8)
            block.append(0)
        }
        block.append(contentsOf: "expect:\0accept:\0".utf8)
        return block
    }
}
