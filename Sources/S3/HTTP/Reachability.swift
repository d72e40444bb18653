/// Whether the store answers, as it is told in the log: once when it is gone, once when it is back.
///
/// One failure says little: connections break, and servers restart. The store counts as gone when nothing but failures came for
/// five seconds, three of them at least; it is back with its first answer that is no 5xx. A pure value: told what happened
/// when, it answers what has changed.
struct Reachability: Sendable, Equatable {
    /// What has changed.
    enum Change: Sendable, Equatable {
        /// The store is gone.
        case lost
        /// It is back, after so long.
        case back(after: Duration)
    }

    /// So long nothing but failures.
    static let patience: Duration = .seconds(5)
    /// So many failures at least.
    static let leastFailures = 3

    private var firstFailure: ContinuousClock.Instant?
    private var failures = 0
    /// Whether the store counts as gone.
    private(set) var isLost = false

    /// A request got no answer, or one that says that the store cannot work.
    mutating func failed(at now: ContinuousClock.Instant) -> Change? {
        let first = firstFailure ?? now
        firstFailure = first
        failures += 1
        guard !isLost, failures >= Self.leastFailures, now - first >= Self.patience else { return nil }
        isLost = true
        return .lost
    }

    /// A request was answered.
    mutating func answered(at now: ContinuousClock.Instant) -> Change? {
        defer { self = Reachability() }
        guard isLost, let firstFailure else { return nil }
        return .back(after: now - firstFailure)
    }
}
