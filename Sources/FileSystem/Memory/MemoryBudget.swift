internal import DequeModule
import Synchronization

/// The one budget of memory that read windows, staged writes and metadata share (promise 7: bounded).
///
/// A caller reserves before it allocates and gives back after it frees. `tryReserve` never waits: a reader shrinks its
/// window, a writer spills to disk instead. `reserve` waits in order of arrival: for what cannot be done without. A single
/// reservation over what is left of the limit is let through once nothing else is reserved, so that no operation is impossible, only slow.
///
/// Before it refuses, the budget asks its reclaimers, the holders of clean data, to give some back.
///
/// Metadata are charged, not reserved: a name that the kernel looks up must be held whatever is free. ``MetadataUse`` keeps them to
/// their share; here they only make less room for the rest.
public final class MemoryBudget: Sendable {
    /// Frees clean data. Called without the budget's lock; gives back through ``MemoryBudget/release(_:)``.
    public typealias Reclaimer = @Sendable (_ wanted: Int) -> Void

    private struct Waiter {
        var id: UInt64
        var bytes: Int
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var used = 0
        var peak = 0
        /// Of `used`: what was charged without asking.
        var charged = 0
        var nextWaiter: UInt64 = 0
        var waiters = Deque<Waiter>()
        var reclaimers: [(id: UInt64, reclaimer: Reclaimer)] = []
        var nextReclaimer: UInt64 = 0
    }

    /// The limit in bytes.
    public let limit: Int
    private let state = Mutex(State())

    /// A budget of `limit` bytes.
    public init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// Bytes reserved now.
    public var used: Int { state.withLock { $0.used } }
    /// The most bytes ever reserved at once.
    public var peak: Int { state.withLock { $0.peak } }

    /// How many bytes are missing for all that wait; 0 where none waits. A holder of data that has just become clean gives
    /// that much back, because nobody asks a second time.
    public var shortage: Int {
        state.withLock { state in
            state.waiters.isEmpty ? 0 : max(0, state.waiters.reduce(state.used) { $0 + $1.bytes } - limit)
        }
    }

    /// Adds a holder of clean data to be asked when memory is short. Returns a number to remove it by.
    @discardableResult
    public func addReclaimer(_ reclaimer: @escaping Reclaimer) -> UInt64 {
        state.withLock { state in
            state.nextReclaimer += 1
            state.reclaimers.append((state.nextReclaimer, reclaimer))
            return state.nextReclaimer
        }
    }

    /// Removes a holder. It may still be called once by a thread that is asking just now.
    public func removeReclaimer(_ id: UInt64) {
        state.withLock { state in state.reclaimers.removeAll { $0.id == id } }
    }

    /// Reserves `bytes` if they are free, or become free by reclaiming; false otherwise. Never waits.
    public func tryReserve(_ bytes: Int) -> Bool {
        if take(bytes) { return true }
        reclaim(bytes)
        return take(bytes)
    }

    /// Reserves `bytes`, waiting for its turn.
    /// - Throws: `CancellationError` when the task is cancelled first; nothing is reserved then.
    public func reserve(_ bytes: Int) async throws(CancellationError) {
        if tryReserve(bytes) { return }
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let granted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.waiters.isEmpty, fits(bytes, state) {
                        add(bytes, &state)
                        return true
                    }
                    state.waiters.append(Waiter(id: id, bytes: bytes, continuation: continuation))
                    return nil
                }
                if let now {
                    continuation.resume(returning: now)
                } else {
                    // What became clean since it was asked for, and before `shortage` showed this waiter.
                    reclaim(bytes)
                }
            }
        } onCancel: {
            let waiter: Waiter? = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: false)
            admit()
        }
        if !granted { throw CancellationError() }
    }

    /// Adds `change` bytes, or takes away where it is negative, without asking whether they are there. To be followed by
    /// ``makeRoom()``, without any lock. Takes nothing but the budget's own lock.
    public func charge(_ change: Int) {
        state.withLock { state in
            state.charged += change
            add(change, &state)
            precondition(state.charged >= 0, "more metadata given back than were charged")
        }
    }

    /// Has holders of clean data give back what is used beyond the limit, and lets those in who now have room.
    public func makeRoom() {
        let excess = used - limit
        if excess > 0 {
            for (_, reclaimer) in state.withLock({ $0.reclaimers }) {
                reclaimer(excess)
                if used <= limit { break }
            }
        }
        admit()
    }

    /// Gives `bytes` back.
    public func release(_ bytes: Int) {
        state.withLock { state in
            state.used -= bytes
            precondition(state.used >= 0, "more memory given back than was reserved")
        }
        admit()
    }

    private func fits(_ bytes: Int, _ state: borrowing State) -> Bool {
        state.used + bytes <= limit || state.used == state.charged
    }

    private func add(_ bytes: Int, _ state: inout State) {
        state.used += bytes
        state.peak = max(state.peak, state.used)
    }

    private func take(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.waiters.isEmpty, fits(bytes, state) else { return false }
            add(bytes, &state)
            return true
        }
    }

    private func reclaim(_ bytes: Int) {
        let reclaimers = state.withLock { $0.reclaimers }
        for (_, reclaimer) in reclaimers {
            reclaimer(bytes)
            if state.withLock({ $0.used + bytes <= limit }) { return }
        }
    }

    private func admit() {
        let admitted = state.withLock { state in
            var admitted: [Waiter] = []
            while let first = state.waiters.first, fits(first.bytes, state) {
                add(first.bytes, &state)
                admitted.append(state.waiters.removeFirst())
            }
            return admitted
        }
        for waiter in admitted { waiter.continuation.resume(returning: true) }
    }
}
