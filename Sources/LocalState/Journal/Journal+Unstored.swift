public import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A stretch of a content that is to be kept.
public enum PieceToKeep: Sendable {
    /// These bytes, which are copied to the disk.
    case bytes(any RequestBody)
    /// A range of a stored object's version, of which only the name is kept.
    case stored(key: ObjectKey, etag: ETag?, range: Range<Int64>)
}

/// What a strict mount's closes could not store.
///
/// **Problem.** Strict mode promises nothing that the bucket does not have. But the bytes of a close that failed must not go with
/// the process.
///
/// **Design.** The same row as a change of write-back mode (``Intent``), and so the same way into the bucket: the next mount of either
/// mode carries it out under its condition, takes a content that is there already for its own, and keeps both where somebody else's
/// is. This process drops the row when it has stored the content after all.
extension Journal {
    /// Keeps a content for the next mount to store: durable when this returns. Costs one copy of what is not in the bucket to the disk.
    /// - Parameters:
    ///   - base: the version that it takes the place of; nil where nothing was there.
    ///   - earlier: the number of what this takes the place of.
    /// - Returns: its number, for ``dropForUpload(_:)``.
    public func keepForUpload(
        _ key: ObjectKey, pieces: [PieceToKeep], metadata: ObjectMetadata, base: ETag?, replacing earlier: Int64?
    ) async throws(LocalStateError) -> Int64 {
        let (staged, pieces) = try await stage(pieces)
        let intent = state.withLock { state -> Intent in
            let id = state.makeID()
            return Intent(
                id: id, key: key, kind: .put, base: base.map { .version($0) } ?? .absent,
                etag: ETag("\"pail-unstored-\(id)\""), date: Timestamp(seconds: Int64(time(nil))), metadata: metadata,
                pieces: pieces)
        }
        try await insert(staged, replacing: earlier) { database throws(LocalStateError) in
            try intent.insert(into: database)
        }
        state.withLock { $0.unstored[intent.id] = intent }
        return intent.id
    }

    /// Forgets such a content, once it is stored or nobody wants it.
    public func dropForUpload(_ id: Int64) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in try Intent.delete(id, from: database) }
        if let intent = state.withLock({ $0.unstored.removeValue(forKey: id) }) {
            shelf.release(intent.pieces.contents)
        }
    }

    /// What this process has kept for the next mount: the keys and bytes, the oldest first.
    public var unstored: [(key: ObjectKey, bytes: Int64, date: Timestamp)] {
        state.withLock { state in state.unstored.values.sorted { $0.id < $1.id }.map { ($0.key, $0.size, $0.date) } }
    }

    /// Puts bytes on the shelf; nothing is durable yet.
    func stage(_ pieces: [PieceToKeep]) async throws(LocalStateError) -> ([ContentShelf.Staged], [ContentPiece]) {
        var staged: [ContentShelf.Staged] = []
        var result: [ContentPiece] = []
        for piece in pieces {
            switch piece {
            case .stored(let key, let etag, let range): result.append(.stored(key: key, etag: etag, range: range))
            case .bytes(let body):
                do throws(LocalStateError) {
                    let content = try await shelf.stage(body)
                    staged.append(content)
                    result.append(.local(content: content.id, range: 0..<content.length))
                } catch {
                    shelf.release(staged.map(\.id))
                    throw error
                }
            }
        }
        return (staged, result)
    }

    /// Makes staged contents durable, with the row that names them, and takes an earlier one away; all or nothing.
    func insert(
        _ staged: [ContentShelf.Staged], replacing earlier: Int64?, _ row: @escaping GroupCommit.Change
    ) async throws(LocalStateError) {
        do throws(LocalStateError) {
            try await shelf.synchronize(staged.map(\.id))
            try await change { database throws(LocalStateError) in
                for content in staged { try ContentShelf.insert(content, into: database) }
                try row(database)
                if let earlier { try Intent.delete(earlier, from: database) }
            }
        } catch {
            shelf.release(staged.map(\.id))
            throw error
        }
        guard let earlier, let old = state.withLock({ $0.unstored.removeValue(forKey: earlier) }) else { return }
        shelf.release(old.pieces.contents)
    }
}
