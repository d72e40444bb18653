/// Says when a file is to be looked at again: at most once in an interval, and by one caller at a time.
///
/// A value that does no I/O. States: *idle* until `next`; *looking* from a granted ``claim(now:)`` to ``finish(now:)``.
struct ReloadGate: Sendable, Equatable {
    /// The shortest time from one look to the next.
    let interval: Duration
    private var next: ContinuousClock.Instant
    private var isLooking = false

    /// A gate that was last passed at `now`.
    init(interval: Duration, now: ContinuousClock.Instant) {
        self.interval = interval
        next = now + interval
    }

    /// Whether the caller shall look now; it then calls ``finish(now:)``.
    mutating func claim(now: ContinuousClock.Instant) -> Bool {
        guard !isLooking, now >= next else { return false }
        isLooking = true
        return true
    }

    /// The look is over.
    mutating func finish(now: ContinuousClock.Instant) {
        isLooking = false
        next = now + interval
    }
}
