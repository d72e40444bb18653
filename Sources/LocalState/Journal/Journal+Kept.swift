public import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Content that could not be stored, and waits for a person.
public struct KeptContent: Sendable, Equatable {
    /// Its number.
    public var id: Int64
    /// The key that it was meant for.
    public var key: ObjectKey
    /// The headers that it was meant to have.
    public var metadata: ObjectMetadata
    /// The version that it was made from; nil where there was none.
    public var base: ETag?
    /// Why it could not be stored.
    public var reason: String
    /// When it was kept.
    public var date: Timestamp
    /// Bytes in all.
    public var size: Int64
    /// Whether all bytes are on this machine; else ranges of `base` or other stored versions belong to it.
    public var isComplete: Bool
}

/// A kept content as its row holds it.
struct KeptRecord: Sendable {
    var content: KeptContent
    var pieces: [ContentPiece]

    init(
        id: Int64, key: ObjectKey, metadata: ObjectMetadata, base: ETag?, reason: String, date: Timestamp,
        pieces: [ContentPiece]
    ) {
        self.pieces = pieces
        content = KeptContent(
            id: id, key: key, metadata: metadata, base: base, reason: reason, date: date, size: pieces.length,
            isComplete: pieces.isLocal)
    }

    init?(id: Int64, key: ObjectKey, decoding bytes: [UInt8]) {
        do {
            var reader = try RecordReader(sealed: bytes, id: id, key: key.string)
            let metadata = try reader.metadata()
            let base = try reader.optionalText().map { ETag($0) }
            let reason = try reader.text()
            let date = Timestamp(seconds: try reader.number())
            self.init(
                id: id, key: key, metadata: metadata, base: base, reason: reason, date: date,
                pieces: try reader.pieces())
        } catch {
            return nil
        }
    }

    var encoded: [UInt8] {
        var writer = RecordWriter()
        writer.write(content.metadata)
        writer.write(content.base?.value)
        writer.write(content.reason)
        writer.write(content.date.seconds)
        writer.write(pieces)
        return writer.sealed(id: content.id, key: content.key)
    }

    /// Puts the row into a transaction.
    func insert(into database: SQLiteDatabase) throws(LocalStateError) {
        try database.run(
            "INSERT INTO kept (id, key, record) VALUES (?, ?, ?)",
            [.integer(content.id), .text(content.key.string), .blob(encoded)])
    }
}

/// Contents that could not be stored.
extension Journal {
    /// Keeps a content: durable when this returns. Costs one copy of what is not in the bucket to the disk.
    /// - Parameter earlier: the number of what ``keepForUpload(_:pieces:metadata:base:replacing:)`` has kept of the same file, and which
    ///   this takes the place of.
    public func keep(
        _ key: ObjectKey, pieces: [PieceToKeep], metadata: ObjectMetadata, base: ETag?, reason: String,
        replacing earlier: Int64? = nil
    ) async throws(LocalStateError) -> KeptContent {
        let (staged, pieces) = try await stage(pieces)
        let id = state.withLock { $0.makeID() }
        let record = KeptRecord(
            id: id, key: key, metadata: metadata, base: base, reason: reason,
            date: Timestamp(seconds: Int64(time(nil))), pieces: pieces)
        try await insert(staged, replacing: earlier) { database throws(LocalStateError) in
            try record.insert(into: database)
        }
        state.withLock { $0.kept[id] = record }
        return record.content
    }

    /// All that is kept, the oldest first.
    public var kept: [KeptContent] { state.withLock { $0.kept.values.map(\.content).sorted { $0.id < $1.id } } }

    /// The bytes of a kept content, to be read while it is kept; nil where it is not, or not all of it is here.
    /// - Throws: where a small content cannot be read back or is damaged; a large one is verified block by block as it is read.
    public func keptBody(_ id: Int64) async throws(LocalStateError) -> (any RequestBody)? {
        guard let record = state.withLock({ $0.kept[id] }), record.pieces.isLocal else { return nil }
        return try await PieceBody.load(record.pieces, from: shelf)
    }

    /// Forgets a kept content, once a person has said so or it has been stored after all.
    public func dropKept(_ id: Int64) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run("DELETE FROM kept WHERE id = ?", [.integer(id)])
        }
        if let record = state.withLock({ $0.kept.removeValue(forKey: id) }) { shelf.release(record.pieces.contents) }
    }
}
