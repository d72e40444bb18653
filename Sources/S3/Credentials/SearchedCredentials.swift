public import Logging
internal import Metrics
public import ObjectStore
internal import Synchronization

/// The credentials that a ``CredentialsSearch`` finds, found again when the files they come from change, and renewed ahead of
/// their end where they have one.
///
/// Files are looked at (one `stat` each, at most six) no more than once a second, by the request that comes first after
/// that, and when the store has refused; requests meanwhile go on with what is known. What is found once stays in use when a file
/// later goes away, does not parse or is open to others: an editor may be about to replace it, and a mount in use must not fail
/// for it. That is logged, once for each such state.
public final class SearchedCredentials: CredentialsProvider {
    /// What was found, and what renews it where it is not there for good.
    private struct Held {
        var finding: CredentialsSearch.Finding
        var renewing: RenewingCredentials?
    }

    private struct State {
        var held: Held
        var files: [String]
        var stamps: [ConfigurationFile.Stamp?]
        var gate: ReloadGate
        var lastProblem: ConfigurationError?
    }

    private let search: CredentialsSearch
    private let fetcher: CredentialsFetcher
    private let logger: Logger
    private let state: Mutex<State>
    /// How often they were renewed, and how often that failed.
    private let renewals: CounterTable

    /// Searches once, so that a mount can say at once what is wrong. Nobody is asked: see ``prepare()``.
    /// - Parameters:
    ///   - caFile: certificates to trust when AWS's services are asked; nil for the system's.
    ///   - proxy: how AWS's services are reached: its proxy counts, nothing else of it.
    ///   - userAgent: `User-Agent` there.
    public init(
        _ search: CredentialsSearch, caFile: String? = nil, proxy: TransportOptions = TransportOptions(),
        userAgent: String = "pail", logger: Logger
    ) throws(ConfigurationError) {
        self.search = search
        self.logger = logger
        let fetcher = CredentialsFetcher(caFile: caFile, proxy: proxy, userAgent: userAgent)
        self.fetcher = fetcher
        let renewals = CounterTable(2)
        self.renewals = renewals
        // Before the search: a change during it is then seen at the next look.
        let before = search.files.map(ConfigurationFile.stamp(of:))
        let finding = try search.find()
        let watched = finding.source?.watchedFiles ?? []
        state = Mutex(
            State(
                held: Held(finding: finding, renewing: Self.renewing(finding, fetcher, renewals, logger)),
                files: search.files + watched, stamps: before + watched.map(ConfigurationFile.stamp(of:)),
                gate: ReloadGate(interval: .seconds(1), now: .now)))
        logger.debug("credentials found", metadata: ["origin": "\(finding.origin)"])
    }

    private static func renewing(
        _ finding: CredentialsSearch.Finding, _ fetcher: CredentialsFetcher, _ renewals: CounterTable, _ logger: Logger
    ) -> RenewingCredentials? {
        guard let source = finding.source, source.keys == nil else { return nil }
        return RenewingCredentials(origin: finding.origin, logger: logger) {
            let result = await fetcher.fetch(source)
            if case .success = result { renewals.add(at: 0) } else { renewals.add(at: 1) }
            return result
        }
    }

    /// Where the keys come from: `profile "work"`.
    public var origin: String { state.withLock { $0.held.finding.origin } }

    /// How often keys were renewed, and when those in use end.
    public var status: CredentialsStatus {
        let renewing = state.withLock { $0.held.renewing }
        return CredentialsStatus(
            renewals: renewals[0], failures: renewals[1], expiration: renewing?.known?.expiration)
    }

    /// Gets the first credentials, so that a mount can say what is wrong before it is there. Requests: those of one refresh, none
    /// where the keys are there already.
    public func prepare() async throws(CredentialsError) {
        let held = state.withLock { $0.held }
        guard let renewing = held.renewing else { return }
        do throws(CredentialsError) { _ = try await renewing.credentials() } catch {
            guard let lastWords = held.finding.lastWords else {
                throw CredentialsError("\(held.finding.origin): \(error)", isTransient: error.isTransient)
            }
            throw CredentialsError(lastWords)
        }
    }

    /// The keys as last found or renewed. Costs no request but those of a refresh; once a second a few calls of `stat`.
    public func credentials() async throws -> Credentials? {
        let held = held(now: .now, evenSoon: false)
        guard let renewing = held.renewing else { return held.finding.credentials }
        return try await renewing.credentials()
    }

    /// Looks at the files at once; where they say nothing new, keys that have an end are renewed.
    public func credentials(insteadOf refused: Credentials) async throws -> Credentials? {
        let held = held(now: .now, evenSoon: true)
        guard let renewing = held.renewing else { return held.finding.credentials }
        return try await renewing.credentials(insteadOf: refused)
    }

    func current(now: ContinuousClock.Instant) -> Credentials? {
        held(now: now, evenSoon: false).finding.credentials
    }

    private func held(now: ContinuousClock.Instant, evenSoon: Bool) -> Held {
        let (known, files, stamps, mayLook) = state.withLock { state in
            (state.held, state.files, state.stamps, state.gate.claim(now: evenSoon ? now + .seconds(1) : now))
        }
        guard mayLook else { return known }
        return look(known, files, stamps)
    }

    /// Looks at the files without the lock, as the one caller that may.
    private func look(_ known: Held, _ files: [String], _ stamps: [ConfigurationFile.Stamp?]) -> Held {
        let seen = files.map(ConfigurationFile.stamp(of:))
        guard seen != stamps else {
            state.withLock { $0.gate.finish(now: .now) }
            return known
        }
        do throws(ConfigurationError) {
            let finding = try search.find()
            var held = Held(finding: finding, renewing: known.renewing)
            if finding.source == known.finding.source {
                known.renewing?.sourceChanged()
            } else {
                held.renewing = Self.renewing(finding, fetcher, renewals, logger)
                logger.notice("credentials changed", metadata: ["origin": "\(finding.origin)"])
            }
            let watched = finding.source?.watchedFiles ?? []
            let isSameSet = search.files + watched == files
            let now =
                isSameSet ? seen : Array(seen.prefix(search.files.count)) + watched.map(ConfigurationFile.stamp(of:))
            state.withLock { state in
                state.held = held
                state.files = search.files + watched
                state.stamps = now
                state.lastProblem = nil
                state.gate.finish(now: .now)
            }
            return held
        } catch {
            let isNew = state.withLock { state in
                defer { state.lastProblem = error }
                state.stamps = seen
                state.gate.finish(now: .now)
                return state.lastProblem != error
            }
            if isNew {
                logger.error(
                    "credentials cannot be read again; those known stay in use", metadata: ["problem": "\(error)"])
            }
            return known
        }
    }
}

/// How credentials are renewed, for the metrics.
public struct CredentialsStatus: Sendable, Equatable {
    /// How often keys were asked for and came.
    public var renewals: UInt64
    /// How often they were asked for in vain.
    public var failures: UInt64
    /// When those in use end; nil where they do not, or there are none yet.
    public var expiration: Timestamp?

    /// A status of the given parts.
    public init(renewals: UInt64 = 0, failures: UInt64 = 0, expiration: Timestamp? = nil) {
        self.renewals = renewals
        self.failures = failures
        self.expiration = expiration
    }
}
