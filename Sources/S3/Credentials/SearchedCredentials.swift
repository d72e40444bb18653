public import Logging
internal import Synchronization

/// The credentials that a ``CredentialsSearch`` finds, found again when the files they come from change.
///
/// Files are looked at (one `stat` each, at most five) no more than once a second, by the request that comes first after
/// that; requests meanwhile go on with what is known. What is found once stays in use when a file later goes away, does not
/// parse or is open to others: an editor may be about to replace it, and a mount in use must not fail for it. That is logged,
/// once for each such state.
public final class SearchedCredentials: CredentialsProvider {
    private struct State {
        var finding: CredentialsSearch.Finding
        var stamps: [ConfigurationFile.Stamp?]
        var gate: ReloadGate
        var lastProblem: ConfigurationError?
    }

    private let search: CredentialsSearch
    private let files: [String]
    private let logger: Logger
    private let state: Mutex<State>

    /// Searches once; so that a mount can say at once what is wrong.
    public init(_ search: CredentialsSearch, logger: Logger) throws(ConfigurationError) {
        self.search = search
        self.logger = logger
        files = search.files
        // Before the search: a change during it is then seen at the next look.
        let stamps = files.map(ConfigurationFile.stamp(of:))
        let finding = try search.find()
        state = Mutex(
            State(finding: finding, stamps: stamps, gate: ReloadGate(interval: .seconds(1), now: .now)))
        logger.debug("credentials found", metadata: ["origin": "\(finding.origin)"])
    }

    /// Where the keys come from: `profile "work"`.
    public var origin: String { state.withLock { $0.finding.origin } }

    /// The keys as last found. Costs no request; once a second a few calls of `stat`.
    public func credentials() async throws -> Credentials? { current(now: .now) }

    func current(now: ContinuousClock.Instant) -> Credentials? {
        let (known, stamps, mayLook) = state.withLock { state in
            (state.finding, state.stamps, state.gate.claim(now: now))
        }
        guard mayLook else { return known.credentials }
        return look(known, stamps)
    }

    /// Looks at the files without the lock, as the one caller that may.
    private func look(_ known: CredentialsSearch.Finding, _ stamps: [ConfigurationFile.Stamp?]) -> Credentials? {
        let seen = files.map(ConfigurationFile.stamp(of:))
        guard seen != stamps else {
            state.withLock { $0.gate.finish(now: .now) }
            return known.credentials
        }
        do throws(ConfigurationError) {
            let finding = try search.find()
            state.withLock { state in
                state.finding = finding
                state.stamps = seen
                state.lastProblem = nil
                state.gate.finish(now: .now)
            }
            if finding.credentials != known.credentials {
                logger.notice("credentials changed", metadata: ["origin": "\(finding.origin)"])
            }
            return finding.credentials
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
            return known.credentials
        }
    }
}
