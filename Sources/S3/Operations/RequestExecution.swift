internal import Logging
internal import Metrics
internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// From an operation to its answer: sign, send, judge, correct, try again.
extension S3Store {
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
        case .transfer, .serverSide(nil): max(.milliseconds(1), left)
        // Whoever swallows a request and says nothing is not given ten minutes for the copy of a small file.
        case .serverSide(let length?):
            max(
                .milliseconds(1),
                min(left, configuration.attemptTimeout + .seconds(length / max(1, configuration.minimumCopyThroughput)))
            )
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
    func send(_ wire: HTTPRequest, _ request: S3Request, attempt: Int, on engine: HTTPEngine) async
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
}
