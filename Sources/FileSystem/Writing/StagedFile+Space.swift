import Logging
import Synchronization
import SystemPackage

/// Where neither memory nor disk has room for what a program writes.
///
/// **Problem.** A full disk is no reason to fail a write whose bytes are about to go to the store: the writer has only to be as slow as
/// the upload. But many writers may have filled all room with parts of which none is full, and then no upload makes room for any.
///
/// **Design.** In this order: kept copies of uploaded parts are dropped, the oldest file's first. A writer in sequence takes memory over
/// the budget, one writer in the whole process at a time and until its part is on its way: the excess is one part. Any other
/// waits for memory, which uploads and commits of others give back. Who has waited ``WritingLimits/spaceWait`` gets ENOSPC, and nothing is written.
extension StagedFile {
    /// A block of at least `least` bytes of memory, or nil where the disk should be tried again.
    /// - Throws: `refusal` where no room was made in time; EINTR when the task is cancelled.
    func makeRoom(for least: Int, else refusal: Errno) async throws(Errno) -> StagingBlock? {
        if state.withLock({ $0.turn != nil }) { return StagingBlock.unreserved(capacity: least) }
        if await limits.disk.reclaim() { return nil }
        let budget = budget
        let isStreamable = uploadTarget != nil && state.withLock { $0.stream.follows($0.run) }
        let made: StagingBlock?
        if isStreamable {
            let turn = await first(within: limits.spaceWait) { await OverBudgetTurn.take(at: .writers) }
            if let turn { state.withLock { $0.turn = turn } }
            made = turn == nil ? nil : StagingBlock.unreserved(capacity: least)
        } else {
            made = await first(within: limits.spaceWait) {
                do { try await budget.reserve(least) } catch { return nil }
                return StagingBlock.reserved(capacity: least, budget: budget)
            }
        }
        if let made { return made }
        if Task.isCancelled { throw .interrupted }
        logger.error(
            "neither memory nor disk has room for what is written",
            metadata: [
                "directory": "\(limits.spillDirectory)", "memory": "\(budget.used) of \(budget.limit)",
                "disk": "\(limits.disk.used)",
            ])
        throw refusal
    }

    /// What `body` gives, or nil when `limit` is over, after which `body` is cancelled.
    private func first<T: Sendable>(within limit: Duration, _ body: @escaping @Sendable () async -> T?) async -> T? {
        await withTaskGroup(of: T?.self) { group in
            group.addTask { await body() }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            var result = await group.next() ?? nil
            group.cancelAll()
            // It may have succeeded just when the time was over.
            for await other in group { result = result ?? other }
            return result
        }
    }

    /// Lets the disk's budget know that there are kept copies here.
    func holdKeptCopies() {
        guard state.withLock({ $0.reclaimer == nil }) else { return }
        let id = limits.disk.addReclaimer { [weak self] in await self?.dropKeptCopies() }
        let isSecond = state.withLock { state in
            if state.reclaimer != nil { return true }
            state.reclaimer = id
            return false
        }
        if isSecond { limits.disk.removeReclaimer(id) }
    }

    /// Drops copies of what the store has; nothing during a commit, which compares the content with what it has sent.
    private func dropKeptCopies() async {
        state.withLock { state in
            guard !state.isCommitting, state.unsettled.isEmpty, !state.isDiscarded else { return }
            for slot in state.stream.slots {
                if case .uploaded = slot.state { state.map.write(slot.range, .uploaded) }
            }
        }
        await trimSpill()
    }
}
