import Synchronization

/// What the metadata of a mount take of the one memory budget.
///
/// **Problem.** Names, inodes and pages of listings come in crumbs, under locks under which no budget may be asked, and none of
/// them can be refused. Yet they share one limit with file content.
///
/// **Design.** Holders count their bytes here with an atomic addition. ``settle()``, called where no lock is held, charges the budget
/// with the sum in steps of ``step``. ``MetadataShare`` says what is too much; who holds it gives it back (see `MetadataBound.swift`).
///
/// **Limits.** Bytes are estimates: what the allocator adds is in them as a guess.
final class MetadataUse: Sendable {
    /// The unit in which the budget is charged, in bytes: large enough that it is seldom asked.
    static let step = 256 << 10

    private let names = Atomic<Int>(0)
    private let streams = Atomic<Int>(0)
    private let ahead = Atomic<Int>(0)
    private let inodes = Atomic<Int>(0)
    private let inodeCount = Atomic<Int>(0)
    private let charged = Mutex<Int>(0)
    private let trim = Mutex(HeapTrim())
    /// The least that was held since something was last given back.
    private let least = Mutex<MetadataShare.Held?>(nil)
    private let budget: MemoryBudget

    /// Metadata that are charged to `budget`.
    init(budget: MemoryBudget) { self.budget = budget }

    deinit { budget.charge(-charged.withLock { $0 }) }

    /// What listings have told, in bytes more or less.
    func addNames(_ bytes: Int) { names.add(bytes, ordering: .relaxed) }
    /// What open directories hold, in bytes more or less.
    func addStreams(_ bytes: Int) { streams.add(bytes, ordering: .relaxed) }
    /// Attributes fetched ahead, in bytes more or less.
    func addAhead(_ bytes: Int) { ahead.add(bytes, ordering: .relaxed) }
    /// `count` inodes of `bytes` in all, more or less.
    func addInodes(_ count: Int, bytes: Int) {
        inodes.add(bytes, ordering: .relaxed)
        inodeCount.add(count, ordering: .relaxed)
    }

    /// What is held now.
    var now: MetadataShare.Held {
        MetadataShare.Held(
            names: names.load(ordering: .relaxed) + streams.load(ordering: .relaxed),
            ahead: ahead.load(ordering: .relaxed), inodes: inodes.load(ordering: .relaxed),
            inodeCount: inodeCount.load(ordering: .relaxed))
    }

    /// Whether giving back may be tried: not again before something has grown since the last time, because what is busy cannot be
    /// given back, and the kernel takes its time to forget.
    func mayTry(_ held: MetadataShare.Held, of share: MetadataShare) -> Bool {
        least.withLock { least in
            guard var floor = least else { return true }
            floor.inodeCount = min(floor.inodeCount, held.inodeCount)
            floor.inodes = min(floor.inodes, held.inodes)
            floor.names = min(floor.names, held.names)
            floor.ahead = min(floor.ahead, held.ahead)
            least = floor
            let step = min(Self.step, share.limit / 16)
            return held.total - floor.total >= step
                || held.inodeCount - floor.inodeCount >= max(1, share.maximumInodes / 16) && share.maximumInodes > 0
        }
    }

    /// Giving back was tried.
    func hasTried() {
        let held = now
        least.withLock { $0 = held }
    }

    /// Charges the budget with what is held now. No lock may be held: the budget may ask others to give back.
    func settle() {
        let wanted = (now.total + Self.step - 1) / Self.step * Self.step
        let isChanged = charged.withLock { charged in
            guard wanted != charged else { return false }
            budget.charge(wanted - charged)
            charged = wanted
            return true
        }
        guard isChanged else { return }
        budget.makeRoom()
        if trim.withLock({ $0.note(wanted) }) {
            Task(executorPreference: DiskExecutor.shared) { HeapTrim.perform() }
        }
    }
}

/// Says which metadata are too much. A value: it holds nothing and asks nobody.
///
/// Names (what listings told, and open directories' pages) and inodes (with what was fetched ahead) have half of the share each, and
/// what the other leaves free. What is over is cut to seven eighths, so that cutting is seldom.
struct MetadataShare: Sendable, Equatable {
    /// Bytes held.
    struct Held: Sendable, Equatable {
        var names = 0
        var ahead = 0
        var inodes = 0
        var inodeCount = 0

        var total: Int { names + ahead + inodes }
    }

    /// What to give back.
    struct Excess: Sendable, Equatable {
        /// Bytes of names.
        var names = 0
        /// Whether attributes fetched ahead that have grown old are to go.
        var ahead = false
        /// Bytes of inodes.
        var inodes = 0
        /// Inodes, whatever they take.
        var inodeCount = 0
    }

    /// Bytes for all metadata.
    var limit: Int
    /// The most inodes; 0 where the bytes alone count.
    var maximumInodes = 0

    /// What of `held` is too much; nil for nothing.
    func excess(of held: Held) -> Excess? {
        var excess = Excess()
        if held.total > limit {
            let half = limit / 2
            excess.ahead = held.ahead > 0
            excess.names = Self.cut(held.names, to: max(half, limit - held.inodes - held.ahead))
            excess.inodes = Self.cut(held.inodes + held.ahead, to: max(half, limit - held.names))
        }
        if maximumInodes > 0, held.inodeCount > maximumInodes {
            excess.inodeCount = held.inodeCount - maximumInodes * 7 / 8
        }
        return excess == Excess() ? nil : excess
    }

    private static func cut(_ bytes: Int, to allowed: Int) -> Int { bytes > allowed ? bytes - allowed / 8 * 7 : 0 }
}
