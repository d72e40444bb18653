internal import FileSystem
internal import LocalState
internal import Logging
internal import ObjectStore
internal import Recovery

/// Does for a dead mount's journal what the next mount would do, and waits for it: uploads what was acknowledged, ends renames,
/// removes what nobody needs. On request, what could not be stored goes to `lost+found/` in the bucket.
///
/// Every step can be broken off and done again: a row goes only after its work is done in the bucket.
///
/// Requests: those of the uploads; see ``RenamesEnding`` and `RecordingStore` for the rest; two for each kept content.
struct StateRecovery: Sendable {
    /// Keeps conditions, by itself or by ``CheckThenActStore``.
    let store: any ObjectStore
    let prefix: String
    /// How long uploads may take in all.
    let drainTimeout: Duration
    let logger: Logger

    /// Where a content went, and what it was.
    typealias Move = (to: ObjectKey, from: ObjectKey, check: String)

    /// Without any progress for so long, uploads that all fail are given up: they stay in the journal.
    private static let patience = Duration.seconds(10)

    /// Does it. Returns what was moved; what fails is in the log and stays in the journal.
    func run(_ journal: Journal, movesKept: Bool) async -> [Move] {
        if journal.intentsLeft > 0 { await upload(journal) } else { journal.sweep() }
        await RenamesEnding(journal: journal, store: store, logger: logger).run()
        if Task.isCancelled { return [] }
        let recording = RecordingStore(
            store, journal: journal, temporaryPrefix: prefix + KeySpace.reservedName + "/unlinked/", logger: logger)
        await recording.removeLeftovers()
        guard movesKept else { return [] }
        var moves: [Move] = []
        for kept in journal.kept where !Task.isCancelled {
            do throws(StoreError) {
                if let copy = try await move(kept, of: journal) {
                    moves.append((copy, kept.key, KeptConflict.info.name))
                }
            } catch {
                logger.error("what is kept of \"\(kept.key)\" cannot be moved to \(LostAndFound.name)/: \(error)")
            }
        }
        return moves
    }

    /// Uploads until nothing is left, nothing can be uploaded any more, the time is over, or the task is cancelled.
    private func upload(_ journal: Journal) async {
        let writeBack = WriteBackStore(store, journal: journal, logger: logger)
        let hurry = Task { try? await writeBack.settle() }
        let end = ContinuousClock.now + drainTimeout
        var finished = 0
        var since = ContinuousClock.now
        while !Task.isCancelled, ContinuousClock.now < end {
            let summary = writeBack.pending(limit: .max)
            if summary.items.allSatisfy(\.isDamaged) { break }
            if summary.finished != finished || summary.failing < summary.count {
                finished = summary.finished
                since = .now
            } else if ContinuousClock.now - since > Self.patience {
                break
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        hurry.cancel()
        await writeBack.close()
    }

    /// Stores a kept content in `lost+found/` and forgets it here; nil where not all of it is on this machine.
    private func move(_ kept: KeptContent, of journal: Journal) async throws(StoreError) -> ObjectKey? {
        let body: (any RequestBody)?
        do throws(LocalStateError) { body = try await journal.keptBody(kept.id) } catch {
            throw StoreError(.bodyUnreadable, operation: "PutObject", key: kept.key, message: "\(error)")
        }
        guard let body, body.length <= store.features.maximumPartSize else { return nil }
        let info = ObjectInfo(size: kept.size, etag: nil, lastModified: kept.date, metadata: kept.metadata)
        let metadata = LostAndFound.metadata(info, of: kept.key)
        for attempt in 0..<100 {
            let copy = LostAndFound.key(for: kept.key, prefix: prefix, attempt: attempt)
            if try await store.headOrNil(copy) != nil { continue }
            do throws(StoreError) {
                _ = try await store.put(copy, body: body, metadata: metadata, if: .absent)
            } catch {
                guard error.kind == .preconditionFailed else { throw error }
                continue
            }
            guard try await store.head(copy).size == kept.size else {
                throw StoreError(.badResponse, operation: "PutObject", key: copy, message: "it is not what was stored")
            }
            do throws(LocalStateError) { try await journal.dropKept(kept.id) } catch {
                throw StoreError(.bodyUnreadable, operation: "PutObject", key: copy, message: "\(error)")
            }
            return copy
        }
        throw StoreError(
            .limitExceeded, operation: "PutObject", key: kept.key, message: "lost+found has too many of its name")
    }
}
