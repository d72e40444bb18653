internal import Logging
internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// How a mutation becomes an intent, or goes through to the store.
extension WriteBackStore {
    /// Checks the conditions, finds the mutation's place, makes it durable, shows it. The caller has the keys' locks, and
    /// gives back its own references to `staged` contents.
    ///
    /// - Parameter draft: makes the intent from what is pending, or throws why it must not be; nil where there is nothing to do.
    /// - Returns: the intent as it stands; nil where there was nothing to do.
    /// - Throws: `diskFull` as a failure of the journal, with everything as it was.
    func admit(
        _ operation: String, _ key: ObjectKey, staged: [ContentShelf.Staged] = [],
        _ draft: @Sendable (inout State) throws(StoreError) -> Intent?
    ) async throws(AdmissionError) -> Intent? {
        let planned: (placement: PendingTable.Placement, draft: Intent)?
        do throws(StoreError) {
            planned = try state.withLock { state throws(StoreError) in
                if state.isClosed { throw Self.local(LocalStateError(.closed, path: ""), operation, key) }
                guard let draft = try draft(&state) else { return nil }
                let placement = state.table.plan(draft)
                let planned = state.table.draft(placement) ?? draft
                // The row's own references; those of an intent that it replaces are given back when it has.
                if state.table.draft(placement) != nil { shelf.retain(planned.pieces.contents) }
                return (placement, planned)
            }
        } catch {
            throw .refused(error)
        }
        guard let (placement, planned) = planned else { return nil }
        do throws(LocalStateError) {
            try await shelf.synchronize(staged.map(\.id))
            try await journal.change { [self] database throws(LocalStateError) in
                try write(placement, staged, into: database)
            }
        } catch {
            let held = state.withLock { state -> [Int64] in
                let held = state.table.draft(placement)?.pieces.contents ?? []
                state.table.takeBack(placement)
                return held
            }
            shelf.release(held)
            pump()
            throw error.kind == .diskFull ? .noRoom(error) : .refused(Self.local(error, operation, key))
        }
        let replaced = state.withLock { $0.table.apply(placement) }
        if let replaced { shelf.release(replaced.pieces.contents) }
        wakeWaiters()
        pump()
        return planned
    }

    /// Why a mutation is not admitted.
    enum AdmissionError: Error {
        case refused(StoreError)
        case noRoom(LocalStateError)
    }

    private func write(
        _ placement: PendingTable.Placement, _ staged: [ContentShelf.Staged], into database: SQLiteDatabase
    ) throws(LocalStateError) {
        switch placement {
        case .append(let id), .replace(let id, _):
            guard let row = state.withLock({ $0.table.write(id) }) else { return }
            do throws(LocalStateError) {
                for content in staged { try ContentShelf.insert(content, into: database) }
                try row.insert(into: database)
            } catch {
                // The row is as it was: who writes it anew in this transaction must not put the draft there.
                state.withLock { $0.table.notWritten(id) }
                throw error
            }
        case .vanish(let id):
            try Intent.delete(id, from: database)
        }
    }

    /// An intent of a key, its condition checked against what is pending.
    func draft(
        _ kind: Intent.Kind, _ key: ObjectKey, if precondition: Precondition, metadata: ObjectMetadata,
        pieces: [ContentPiece], operation: String, _ state: inout State
    ) throws(StoreError) -> Intent {
        let base = try base(key, precondition, operation, state.table)
        return Intent(
            id: 0, key: key, kind: kind, base: base, etag: state.table.etags.next(),
            date: Timestamp(seconds: Int64(time(nil))), metadata: metadata, pieces: pieces)
    }

    private func base(
        _ key: ObjectKey, _ precondition: Precondition, _ operation: String, _ table: PendingTable
    ) throws(StoreError) -> Intent.Base {
        switch (precondition, table.view(key)) {
        case (.none, .present(let intent)):
            // Of two writers of a name that nobody else may have, the second one's condition is the first one's. Not so of a
            // directory's marker: whoever else has made it, its new attributes are meant for it.
            if case .absent = intent.base, !key.isDirectoryMarker { return .after(intent.id) }
            return .none
        case (.none, _): return .none
        case (.presumedAbsent, .stored): return .presumedAbsent
        case (.presumedAbsent, _): return .none
        case (.matches(let etag), .present(let intent)):
            guard etag == intent.etag else { throw Self.preconditionFailed(operation, key) }
            return .after(intent.id)
        case (.matches, .deleted): throw Self.noSuchKey(operation, key)
        case (.matches(let etag), .stored):
            guard let stored = table.aliases.stored(etag, of: key) else {
                throw Self.preconditionFailed(operation, key)
            }
            return .version(stored)
        case (.absent, .present): throw Self.preconditionFailed(operation, key)
        case (.absent, _): return .absent
        }
    }

    /// What S3 refuses at once has to be refused at once here, too.
    func check(_ key: ObjectKey, _ metadata: ObjectMetadata, _ operation: String) throws(StoreError) {
        guard key.utf8Count > 0 else {
            throw Self.invalid(operation, key, "InvalidArgument", "a key has at least one byte")
        }
        guard key.utf8Count <= ObjectKey.maximumLength else {
            throw StoreError(
                .keyTooLong, operation: operation, key: key, status: 400, code: "KeyTooLongError",
                message: "the key is too long")
        }
        let size = metadata.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= 2048 else {
            throw StoreError(
                .limitExceeded, operation: operation, key: key, status: 400, code: "MetadataTooLarge",
                message: "the metadata headers exceed the maximum of 2 KiB")
        }
    }

    // MARK: Going through

    /// Whether a condition has to be asked of the store before anybody is told that it holds.
    func mustAsk(_ key: ObjectKey, _ precondition: Precondition) -> Bool {
        guard precondition == .absent, !key.isDirectoryMarker else { return false }
        guard let parent = DrainSchedule.markers(above: key).last else { return true }
        let now = ContinuousClock.now
        return state.withLock { state in
            guard let made = state.ownDirectories[parent] else { return true }
            return now - made > options.ownDirectoryTime
        }
    }

    /// Notes a directory that this mount has made: whoever else would put a file into it has not seen it yet.
    func noteOwnDirectory(_ key: ObjectKey) {
        let now = ContinuousClock.now
        state.withLock { state in
            if state.ownDirectories.count >= 4096 {
                state.ownDirectories = state.ownDirectories.filter { now - $0.value <= options.ownDirectoryTime }
            }
            if state.ownDirectories.count < 65_536 { state.ownDirectories[key] = now }
        }
    }

    /// Makes a mutation in the store itself, once what is pending of its keys is there. The caller has the keys' locks.
    func through<T: Sendable>(
        _ operation: String, _ key: ObjectKey, reading source: ObjectKey? = nil, if precondition: Precondition,
        _ body: (Precondition) async throws(StoreError) -> T
    ) async throws(StoreError) -> T {
        let keys = [key] + (source.map { [$0] } ?? [])
        guard
            await wait(
                until: { table in keys.allSatisfy { table.schedule.touching($0).isEmpty } },
                within: options.throughDeadline
            )
        else {
            throw StoreError(
                Task.isCancelled ? .cancelled : .timedOut, operation: operation, key: key, code: "LocalState",
                message: "earlier changes of this key could not be uploaded yet")
        }
        var asked = precondition
        if case .matches(let etag) = precondition {
            guard let stored = state.withLock({ $0.table.aliases.stored(etag, of: key) }) else {
                throw Self.preconditionFailed(operation, key)
            }
            asked = .matches(stored)
        }
        let answer = try await body(asked)
        state.withLock { $0.table.aliases.forget(key) }
        return answer
    }

    // MARK: Waiting

    /// Waits until something holds of what is pending; false at the deadline (nil for none) or when the task is cancelled.
    func wait(
        until isDone: @escaping @Sendable (borrowing PendingTable) -> Bool, within limit: Duration?
    ) async -> Bool {
        let id: Int64? = state.withLock { state in
            if isDone(state.table) { return nil }
            state.lastWaiter += 1
            return state.lastWaiter
        }
        guard let id else { return true }
        // Ends of uploads that nobody waited for are written at their leisure; now somebody waits.
        journal.commits.enqueue({ _ in }) { _ in }
        let timer = limit.map { limit in
            Task { [weak self] in
                try? await Task.sleep(for: limit)
                if !Task.isCancelled { self?.giveUpWaiting(id) }
            }
        }
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if isDone(state.table) { return true }
                    if Task.isCancelled || state.isClosed { return false }
                    state.waiters[id] = (isDone, continuation)
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            giveUpWaiting(id)
        }
    }

    private func giveUpWaiting(_ id: Int64) {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.done.resume(returning: false)
    }

    /// Wakes those whose wait is over.
    func wakeWaiters() {
        let done = state.withLock { state -> [CheckedContinuation<Bool, Never>] in
            if state.waiters.isEmpty { return [] }
            let ids = state.waiters.filter { $0.value.isDone(state.table) }.map(\.key)
            return ids.compactMap { state.waiters.removeValue(forKey: $0)?.done }
        }
        for continuation in done { continuation.resume(returning: true) }
    }
}
