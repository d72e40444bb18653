/// How long a request may go on: with a store that works on it, and without one.
///
/// Two limits. `patience` is the time without a store: connections that are refused, that break at once or that nobody
/// answers, and the waits between attempts. `total` is the time in all. Time in which the store had the request (a copy of
/// gigabytes inside the store, an upload on a slow line) does not count against the patience, so that a request that is
/// allowed ten minutes of work still fails after one minute when there is no store. Where both limits are the same, as for
/// requests of one small answer, all time counts.
///
/// A pure value: told when an attempt began and ended, it answers how much time is left.
struct RequestTime: Sendable, Equatable {
    private let end: ContinuousClock.Instant
    private var patienceEnd: ContinuousClock.Instant

    /// The limits of a request that begins now.
    init(patience: Duration, total: Duration, now: ContinuousClock.Instant) {
        end = now + max(patience, total)
        patienceEnd = now + patience
    }

    /// An attempt has ended without success.
    /// - Parameter idle: the time at its end in which nothing came of the store any more.
    mutating func attemptEnded(
        began: ContinuousClock.Instant, now: ContinuousClock.Instant, wasTaken: Bool, idle: Duration = .zero
    ) {
        guard wasTaken else { return }
        patienceEnd += max(.zero, now - began - idle)
    }

    /// The time within which another attempt may begin, and find a connection.
    func leftToRetry(at now: ContinuousClock.Instant) -> Duration { min(patienceEnd, end) - now }

    /// The time that an attempt may take once the store has it.
    func left(at now: ContinuousClock.Instant) -> Duration { end - now }
}
