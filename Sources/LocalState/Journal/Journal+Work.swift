public import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A directory's rename under way.
public struct DirectoryRename: Sendable, Equatable {
    /// How far it is.
    public enum Phase: Int, Sendable {
        /// Copies are made; all of the old name is there.
        case copying = 0
        /// All copies stand; the old keys are being deleted.
        case deleting = 1
        /// As `copying`, over an empty directory of the new name, which stays if the rename is taken back.
        case copyingOver = 2
    }

    /// Its number.
    public var id: Int64
    /// The old directory's key, `/` at its end.
    public var from: ObjectKey
    /// The new one's.
    public var to: ObjectKey
    /// How far it is.
    public var phase: Phase
}

extension DirectoryRename {
    /// A row of `id, source, target, phase`.
    init(_ row: SQLiteDatabase.Row) {
        self.init(
            id: row.integer(0), from: ObjectKey(row.text(1)), to: ObjectKey(row.text(2)),
            phase: Phase(rawValue: Int(row.integer(3))) ?? .copying)
    }
}

/// Work of the file system that a crash may leave half done in the bucket. Each call is durable when it returns: one
/// transaction, shared with whatever else is written at the moment.
extension Journal {
    // MARK: Multipart uploads

    /// A multipart upload was begun: where the process dies, its parts are garbage in the bucket that costs storage.
    public func uploadBegan(_ upload: MultipartUpload) async throws(LocalStateError) {
        let began = Int64(time(nil))
        var plain = upload
        plain.initiated = nil
        state.withLock { [plain] in $0.uploads[plain] = began }
        do throws(LocalStateError) {
            try await change { database throws(LocalStateError) in
                try database.run(
                    "INSERT OR REPLACE INTO uploads (key, upload, began) VALUES (?, ?, ?)",
                    [.text(upload.key.string), .text(upload.id), .integer(began)])
            }
        } catch {
            state.withLock { [plain] in $0.uploads[plain] = nil }
            throw error
        }
    }

    /// It was completed or aborted.
    public func uploadEnded(_ upload: MultipartUpload) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run(
                "DELETE FROM uploads WHERE key = ? AND upload = ?", [.text(upload.key.string), .text(upload.id)])
        }
        var plain = upload
        plain.initiated = nil
        state.withLock { [plain] in $0.uploads[plain] = nil }
    }

    /// The uploads begun and not ended, with the time when they began.
    public var uploads: [MultipartUpload] {
        state.withLock { $0.uploads }.map { upload, began in
            MultipartUpload(key: upload.key, id: upload.id, initiated: Timestamp(seconds: began))
        }.sorted { $0.key == $1.key ? $0.id < $1.id : $0.key < $1.key }
    }

    // MARK: Directory renames

    /// A directory's rename begins.
    public func renameBegan(
        from: ObjectKey, to: ObjectKey, phase: DirectoryRename.Phase = .copying
    ) async throws(LocalStateError) -> Int64 {
        let id = state.withLock { $0.makeID() }
        try await change { database throws(LocalStateError) in
            try database.run(
                "INSERT INTO renames (id, source, target, phase) VALUES (?, ?, ?, ?)",
                [.integer(id), .text(from.string), .text(to.string), .integer(Int64(phase.rawValue))])
        }
        state.withLock { $0.renames[id] = DirectoryRename(id: id, from: from, to: to, phase: phase) }
        return id
    }

    /// It has come to its next phase.
    public func renameReached(_ id: Int64, _ phase: DirectoryRename.Phase) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run(
                "UPDATE renames SET phase = ? WHERE id = ?", [.integer(Int64(phase.rawValue)), .integer(id)])
        }
        state.withLock { $0.renames[id]?.phase = phase }
    }

    /// It is done, or has been taken back.
    public func renameEnded(_ id: Int64) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run("DELETE FROM renames WHERE id = ?", [.integer(id)])
        }
        state.withLock { $0.renames[id] = nil }
    }

    /// The renames begun and not ended, the oldest first.
    public var renames: [DirectoryRename] { state.withLock { $0.renames.values.sorted { $0.id < $1.id } } }

    // MARK: Hidden keys

    /// An object under `.pail/unlinked/` is about to be made, which nobody needs after this process.
    public func hiddenBegan(_ key: ObjectKey) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run("INSERT OR REPLACE INTO hidden (key) VALUES (?)", [.text(key.string)])
        }
        state.withLock { _ = $0.hidden.insert(key) }
    }

    /// It is gone.
    public func hiddenEnded(_ key: ObjectKey) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run("DELETE FROM hidden WHERE key = ?", [.text(key.string)])
        }
        state.withLock { _ = $0.hidden.remove(key) }
    }

    /// The hidden keys that may still be in the bucket.
    public var hidden: [ObjectKey] { state.withLock { $0.hidden.sorted() } }
}
