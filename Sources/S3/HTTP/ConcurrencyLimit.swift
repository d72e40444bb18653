/// How many requests may be under way at once: all connections in good times, fewer while the store says `503 Slow Down` or `429`.
///
/// Additive increase, multiplicative decrease, as TCP does it: a burst of refusals halves the limit once (those that were
/// under way when it was halved do not halve it again), and as many good answers as the limit is high raise it by one.
/// A pure value: told what happened, it answers with a number.
struct ConcurrencyLimit: Sendable, Equatable {
    /// Never fewer than this: 2.
    static let floor = 2

    /// The limit in good times.
    let maximum: Int
    /// The limit now.
    private(set) var current: Int
    private var goodAnswers = 0
    /// Refusals still expected from requests that were under way when the limit was last halved.
    private var grace = 0

    /// No limit but `maximum` (at least 1).
    init(maximum: Int) {
        self.maximum = max(1, maximum)
        current = max(1, maximum)
    }

    /// An answer came that was no refusal for load.
    mutating func succeeded() {
        if grace > 0 { grace -= 1 }
        guard current < maximum else { return }
        goodAnswers += 1
        if goodAnswers >= current {
            goodAnswers = 0
            current += 1
        }
    }

    /// The store refused for load, while `active` requests (this one included) were under way.
    mutating func refused(active: Int) {
        goodAnswers = 0
        if grace > 0 {
            grace -= 1
            return
        }
        current = max(min(Self.floor, maximum), min(current, active) / 2)
        grace = max(0, active - 1)
    }
}
