/// When a second request for the same bytes is worth its cost.
///
/// **Problem.** Of many requests to a store a few take far longer than the rest: a busy disk, a lost packet, a node that goes away. A reader
/// that waits for one of them waits for all of that. Asking once more is nearly always answered in the usual time.
///
/// **Design.** The waits for the first byte of the last 512 GETs are kept, and a GET that has waited longer than 99 in 100 of them (and
/// longer than `leastWait`) is asked again: *hedged*. One that has begun and stands still is hedged after `stall`. So that a store that is
/// slow as a whole is not asked twice for everything, only so many may be hedged: one in 20 GETs, and 10 at once.
///
/// **Limits.** Nothing is hedged before 64 GETs were seen. A value type without I/O; `HedgingStore` keeps it under a lock.
struct HedgePolicy: Sendable {
    /// In nanoseconds: what a wait for the first byte must exceed whatever the store's usual time. A hedge costs a connection, and a busy
    /// machine is late by some tens of milliseconds itself.
    var leastWait: Int64 = 100_000_000
    /// In nanoseconds: how long a GET whose bytes have begun may stand still.
    var stall: Int64 = 1_000_000_000
    /// How many GETs earn one hedge.
    var requestsPerHedge = 20
    /// How many hedges can be saved up.
    var mostSaved = 10
    /// How many waits must be known.
    var leastSamples = 64

    private static let window = 512
    /// A ring of the last waits, in nanoseconds.
    private var waits: [Int64] = []
    private var next = 0
    private var noted = 0
    /// Hedges that may be sent, times `requestsPerHedge`.
    private var credit = 0
    /// The wait of 99 in 100, found anew after every 32 waits: sorting costs more than a GET's own accounting.
    private var percentile: Int64?

    init() {}

    /// A GET begins.
    mutating func requestBegan() {
        credit = min(credit + 1, mostSaved * requestsPerHedge)
    }

    /// A first byte came after so many nanoseconds.
    mutating func noteFirstByte(after wait: Int64) {
        if waits.count < Self.window {
            waits.append(wait)
        } else {
            waits[next] = wait
            next = (next + 1) % Self.window
        }
        noted += 1
        if waits.count >= leastSamples, percentile == nil || noted % 32 == 0 {
            let sorted = waits.sorted()
            percentile = sorted[sorted.count * 99 / 100]
        }
    }

    /// How many nanoseconds a GET may wait for its first byte before it is hedged; nil where too little is known.
    var patience: Int64? { percentile.map { max($0 + $0 / 4, leastWait) } }

    /// Takes the right to hedge one GET, if there is one.
    mutating func takeHedge() -> Bool {
        guard credit >= requestsPerHedge else { return false }
        credit -= requestsPerHedge
        return true
    }
}
