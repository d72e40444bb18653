internal import Logging
internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The uploads: as many at a time as the schedule and the limit allow, each in a task of its own.
extension WriteBackStore {
    /// Whether the current task uploads what is pending, rather than serving the mount: decorators below may tell the two apart.
    @TaskLocal public static var isDraining = false

    /// Starts what may run now.
    func pump() {
        state.withLock { state in
            guard !state.isClosed else { return }
            while let id = state.table.schedule.next(limit: max(1, options.parallelUploads)) {
                guard let intent = state.table.intents[id] else {
                    state.table.schedule.finished(id)
                    continue
                }
                state.tasks[id] = Self.$isDraining.withValue(true) { Task { await self.carryOut(intent) } }
            }
        }
    }

    private func carryOut(_ intent: Intent) async {
        do throws(StoreError) {
            switch try await IntentRun(store: self, intent: intent).run() {
            case .done(let etag): await done(intent, etag)
            case .conflict(let error): await conflicted(intent, error)
            }
        } catch {
            await failed(intent, error)
        }
    }

    /// The rows of others that an intent's end has changed, as they are when the transaction is written.
    private func rewrite(_ ids: [Int64], in database: SQLiteDatabase) throws(LocalStateError) {
        for id in ids {
            guard let row = state.withLock({ $0.table.row(id) }) else { continue }
            try row.update(in: database)
        }
    }

    private func done(_ intent: Intent, _ etag: ETag?) async {
        // What follows it in the bucket can wait a moment for company; a transaction for each upload would take the disk from the
        // programs that wait for theirs.
        let (changed, isAwaited): ([Int64], Bool) = state.withLock { state in
            state.finished += 1
            state.finishedBytes += intent.size
            return (state.table.uploaded(intent.id, as: etag), !state.waiters.isEmpty)
        }
        wakeWaiters()
        // The contents go after the row: a row must never name a content that is gone.
        await settle(intent.id, isRelaxed: !isAwaited, releasing: intent.pieces.contents) {
            [self] database throws(LocalStateError) in
            try Intent.delete(intent.id, from: database)
            try rewrite(changed, in: database)
        }
        wakeWaiters()
        pump()
    }

    /// Makes the end of an intent durable, then lets those run that waited for it.
    private func settle(
        _ id: Int64, isRelaxed: Bool, releasing contents: [Int64] = [], _ change: @escaping GroupCommit.Change
    ) async {
        let result: Result<Void, LocalStateError> = await withCheckedContinuation { continuation in
            journal.commits.enqueue(change, isRelaxed: isRelaxed) { continuation.resume(returning: $0) }
        }
        if case .failure(let error) = result, error.kind != .closed {
            // The row stays: the next mount carries it out once more.
            logger.error("the end of an upload could not be noted: \(error)")
        }
        if case .success = result { shelf.release(contents) }
        state.withLock { state in
            state.tasks[id] = nil
            if case .failure(let error) = result, error.kind == .closed { return }
            state.table.settled(id)
        }
    }

    /// The content moves to what is kept; the store's version shows again.
    private func conflicted(_ intent: Intent, _ error: StoreError) async {
        if intent.kind == .delete {
            logger.warning("\"\(intent.key)\" was replaced elsewhere before its deletion was uploaded; it stays")
            return await done(intent, nil)
        }
        let id = journal.state.withLock { $0.makeID() }
        var base: ETag?
        if case .version(let etag) = intent.base { base = etag }
        let record = KeptRecord(
            id: id, key: intent.key, metadata: intent.metadata, base: base, reason: "\(error)",
            date: Timestamp(seconds: Int64(time(nil))), pieces: intent.pieces)
        let result = state.withLock { state -> (changed: [Int64], dropped: [Intent], shared: [Int64])? in
            if state.isClosed { return nil }
            let result = state.table.abandoned(intent.id)
            shelf.retain(result.shared)
            return result
        }
        guard let result else { return }
        journal.state.withLock { $0.kept[id] = record }
        logger.error(
            """
            "\(intent.key)" was changed elsewhere before this machine's version of it was uploaded: the version elsewhere \
            stays, and this machine's is kept; "pail recover \(journal.directory.path) \(id) FILE" writes it to a file (\(error))
            """)
        for follower in result.dropped {
            logger.warning("\"\(follower.key)\" is not deleted: its copy \"\(intent.key)\" could not be made")
        }
        await settle(intent.id, isRelaxed: false) { [self] database throws(LocalStateError) in
            try record.insert(into: database)
            try Intent.delete(intent.id, from: database)
            for follower in result.dropped { try Intent.delete(follower.id, from: database) }
            try rewrite(result.changed, in: database)
        }
        state.withLock { state in
            for follower in result.dropped { state.table.settled(follower.id) }
        }
        wakeWaiters()
        pump()
    }

    private func failed(_ intent: Intent, _ error: StoreError) async {
        let isTransient =
            switch error.kind {
            case .throttled, .serverError, .timedOut, .unreachable, .tls, .badResponse, .noSuchUpload, .cancelled: true
            default: false
            }
        let isDamaged = error.kind == .bodyUnreadable
        let attempt = state.withLock { state -> Int? in
            state.tasks[intent.id] = nil
            if state.isClosed { return nil }
            state.table.update(intent.id) { now in
                now.attempts += 1
                now.lastError = "\(error)"
                now.isDamaged = isDamaged
                // An answer that was lost, or a process that dies now: the attempt may have taken effect.
                if error.isAmbiguous || error.kind == .cancelled { now.mayHaveRun = true }
            }
            state.table.schedule.rest(intent.id)
            return state.table.intents[intent.id]?.attempts ?? 1
        }
        guard let attempt else { return }
        if attempt == 1 || !isTransient {
            logger.warning("\"\(intent.key)\" could not be uploaded yet (attempt \(attempt)): \(error)")
        }
        wakeWaiters()
        pump()
        var full = isTransient ? options.transientDelay(attempt) : options.permanentDelay
        if state.withLock({ $0.awaiting > 0 }) { full = min(full, options.awaitedDelay) }
        let delay = full * Double.random(in: 0.5...1)
        let id = intent.id
        let timer = Task { [weak self] in
            try? await Task.sleep(for: delay)
            guard let self, !Task.isCancelled else { return }
            self.state.withLock { $0.table.schedule.wake(id) }
            self.pump()
        }
        state.withLock { state in
            if state.isClosed { timer.cancel() } else { state.tasks[id] = state.tasks[id] ?? timer }
        }
    }
}

extension Intent {
    /// Writes the row anew where there is one.
    func update(in database: SQLiteDatabase) throws(LocalStateError) {
        try database.run("UPDATE intents SET record = ? WHERE id = ?", [.blob(encoded), .integer(id)])
    }
}
