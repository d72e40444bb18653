public import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// What is waiting to be uploaded.
public struct PendingSummary: Sendable, Equatable {
    /// One change.
    public struct Item: Sendable, Equatable {
        /// What it does.
        public enum Kind: String, Sendable {
            case put, copy, delete
        }

        /// The object's key.
        public var key: ObjectKey
        /// What it does.
        public var kind: Kind
        /// The object's size in bytes; 0 for a delete.
        public var bytes: Int64
        /// Seconds since it was promised.
        public var age: Int64
        /// Attempts that have failed so far.
        public var attempts: Int
        /// What the last one failed by.
        public var lastError: String?
        /// Being uploaded now.
        public var isRunning: Bool
        /// Its content cannot be read back from this machine's disk.
        public var isDamaged: Bool
    }

    /// How many changes are waiting.
    public var count = 0
    /// Bytes of them that have to be sent from here.
    public var bytes: Int64 = 0
    /// Seconds since the oldest was promised; 0 where there is none.
    public var oldestAge: Int64 = 0
    /// How many have failed at least once.
    public var failing = 0
    /// Uploads that this process has finished.
    public var finished = 0
    /// Bytes of them.
    public var finishedBytes: Int64 = 0
    /// The changes, the oldest first, as many as were asked for.
    public var items: [Item] = []
    /// What could not be stored and waits for a person.
    public var kept: [KeptContent] = []
}

/// Asking and waiting for what is pending.
extension WriteBackStore {
    /// What is pending now. No request.
    /// - Parameter limit: the most items to be named; the counts are of all.
    public func pending(limit: Int = 1000) -> PendingSummary {
        let now = Int64(time(nil))
        var summary = PendingSummary()
        summary.kept = journal.kept
        state.withLock { state in
            summary.finished = state.finished
            summary.finishedBytes = state.finishedBytes
            summary.count = state.table.intents.count
            for intent in state.table.intents.values {
                summary.bytes += intent.pieces.reduce(0) { $0 + ($1.content == nil ? 0 : $1.count) }
                summary.oldestAge = max(summary.oldestAge, now - intent.date.seconds)
                if intent.attempts > 0 { summary.failing += 1 }
            }
            for id in state.table.intents.keys.sorted().prefix(limit) {
                guard let intent = state.table.intents[id] else { continue }
                let kind: PendingSummary.Item.Kind =
                    switch intent.kind {
                    case .put: .put
                    case .copy: .copy
                    case .delete: .delete
                    }
                summary.items.append(
                    PendingSummary.Item(
                        key: intent.key, kind: kind, bytes: intent.size, age: max(0, now - intent.date.seconds),
                        attempts: intent.attempts, lastError: intent.lastError,
                        isRunning: state.table.schedule.phase(id) == .running, isDamaged: intent.isDamaged))
            }
        }
        return summary
    }

    /// Waits until all changes of keys below `prefix` that are pending now are in the bucket, or kept; empty for all.
    ///
    /// Later changes are not waited for, except those that take the place of one that is. What fails meanwhile is tried again
    /// after ``Options/awaitedDelay`` at most.
    /// - Throws: `cancelled` with the task.
    public func settle(prefix: String = "") async throws(StoreError) {
        let wanted = state.withLock { state in
            Set(
                state.table.intents.values.filter { intent in
                    intent.key.hasPrefix(prefix) || intent.footprint.reads.contains { $0.hasPrefix(prefix) }
                }.map(\.id) + state.table.schedule.unsettled.filter { state.table.intents[$0] == nil })
        }
        if wanted.isEmpty { return }
        state.withLock { $0.awaiting += 1 }
        defer { state.withLock { $0.awaiting -= 1 } }
        hurry(wanted)
        guard await wait(until: { table in wanted.allSatisfy { table.schedule.phase($0) == nil } }, within: nil) else {
            throw StoreError(.cancelled, operation: "Settle", key: ObjectKey(prefix))
        }
    }

    /// Tries those that rest after a failure again now.
    private func hurry(_ ids: Set<Int64>) {
        state.withLock { state in
            for id in ids { state.table.schedule.wake(id) }
        }
        pump()
    }

    /// Ends the store: uploads until nothing is pending or `deadline` is over, then stops. What is left stays in the journal,
    /// which the caller closes. Returns how many changes are left.
    @discardableResult
    public func close(draining deadline: Duration? = nil) async -> Int {
        if let deadline {
            hurry(
                state.withLock { state in
                    state.awaiting += 1
                    return Set(state.table.intents.keys)
                })
            _ = await wait(until: { $0.isEmpty }, within: deadline)
        }
        let (tasks, waiters, left) = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [:] }
            return (Array(state.tasks.values), state.waiters.values.map(\.done), state.table.intents.count)
        }
        for waiter in waiters { waiter.resume(returning: false) }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        return left
    }

    /// Ends as a killed process does, journal included: what is not durable yet never becomes so. For tests.
    func abandon() async {
        journal.abandon()
        await close()
    }
}
