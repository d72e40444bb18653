import Synchronization

/// What a mount takes of the disk under its spill directory, and how much it may.
///
/// **Problem.** The disk may be tiny, and full of other people's files at any moment. Some of what is put there nobody needs: copies of
/// parts that the store has already, kept so that they can be read back. Some of it is the only copy of what a program has written. The
/// first must never crowd the second out, nor other programs.
///
/// **Design.** What goes to the spill files of a mount is reserved here before it is written. What is only *kept* is refused where it
/// would take more than half of the cap, and is dropped again when what is *needed* finds no room. What is needed is refused at the
/// cap, and by the disk itself. How much the disk shall have free is ``WritingLimits/minimumFreeDisk``.
///
/// **Limits.** Freed ranges that a file has not punched out yet (``WritingLimits/spillSlack`` at most for each) do not count.
final class DiskBudget: Sendable {
    /// What bytes are on the disk for.
    enum Purpose: Sendable, Equatable {
        /// The only copy of something written.
        case needed
        /// A copy of what the store has.
        case kept
    }

    /// Drops kept copies, and gives their space back by ``release(_:)`` before it returns. Called without a lock, where the disk may be waited for.
    typealias Reclaimer = @Sendable () async -> Void

    private struct State {
        var used: Int64 = 0
        var peak: Int64 = 0
        var reclaimers: [(id: UInt64, reclaimer: Reclaimer)] = []
        var nextReclaimer: UInt64 = 0
    }

    /// The most that may be used, in bytes; `Int64.max` without a cap.
    let limit: Int64
    private let state = Mutex(State())

    /// A budget of the disk.
    init(limit: Int64 = .max) { self.limit = limit }

    /// Bytes used now.
    var used: Int64 { state.withLock { $0.used } }
    /// The most bytes ever used at once.
    var peak: Int64 { state.withLock { $0.peak } }

    /// Takes `bytes`; false where they may not be taken.
    func tryReserve(_ bytes: Int64, for purpose: Purpose) -> Bool {
        state.withLock { state in
            let allowed = purpose == .kept ? limit / 2 : limit
            guard bytes <= allowed - min(state.used, allowed) else { return false }
            state.used += bytes
            state.peak = max(state.peak, state.used)
            return true
        }
    }

    /// Gives `bytes` back.
    func release(_ bytes: Int64) {
        state.withLock { state in
            state.used -= bytes
            precondition(state.used >= 0, "more disk given back than was reserved")
        }
    }

    /// Adds a holder of kept copies. Returns a number to remove it by.
    func addReclaimer(_ reclaimer: @escaping Reclaimer) -> UInt64 {
        state.withLock { state in
            state.nextReclaimer += 1
            state.reclaimers.append((state.nextReclaimer, reclaimer))
            return state.nextReclaimer
        }
    }

    /// Removes a holder.
    func removeReclaimer(_ id: UInt64) { state.withLock { state in state.reclaimers.removeAll { $0.id == id } } }

    /// Has kept copies dropped, all of the oldest holder that has any. True where something was dropped.
    func reclaim() async -> Bool {
        let before = used
        for (_, reclaimer) in state.withLock({ $0.reclaimers }) {
            await reclaimer()
            if used < before { return true }
        }
        return false
    }
}
