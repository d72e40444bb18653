internal import ObjectStore

/// A change of the bucket that this machine has promised and not made yet.
struct Intent: Sendable {
    enum Kind: Int, Sendable {
        case put = 0
        case copy = 1
        case delete = 2
    }

    /// What must hold of the key when the intent is carried out.
    enum Base: Sendable, Equatable {
        case none
        /// None, and the caller knows of no object there.
        case presumedAbsent
        case absent
        case version(ETag)
        /// What that intent is going to store there.
        case after(Int64)
    }

    /// Its number: the order in which intents came, and the place in the schedule.
    var id: Int64
    var key: ObjectKey
    var kind: Kind
    var base: Base
    /// The identity that the content has until it is in the bucket, and that this mount goes on to be told after.
    var etag: ETag
    /// When it was promised, in whole seconds: what `LastModified` shows.
    var date: Timestamp
    var metadata: ObjectMetadata
    /// For a copy: the source's own headers, unchanged, with this storage class.
    var keepsMetadata = false
    var pieces: [ContentPiece] = []
    var waits: Set<Int64> = []
    /// The keys whose content it carries on: the old name of a renamed file.
    var guards: Set<ObjectKey> = []

    // Not kept over a crash.
    var attempts = 0
    var lastError: String?
    /// An earlier process began it, perhaps, or an attempt's answer was lost: it may have taken effect.
    var mayHaveRun = false
    var isDamaged = false

    var size: Int64 { pieces.length }

    /// It may be in the bucket already, and so have ended what it needs: its condition, or the version of its own key that
    /// it is made from. Only the same intent, carried out once more, can tell; nothing else may take its place.
    var isUncertain: Bool {
        guard mayHaveRun else { return false }
        switch base {
        case .none, .presumedAbsent: return footprint.reads.contains(key)
        case .absent, .version, .after: return true
        }
    }

    var info: ObjectInfo { ObjectInfo(size: size, etag: etag, lastModified: date, metadata: metadata) }

    var footprint: DrainSchedule.Footprint {
        var reads: Set<ObjectKey> = []
        for piece in pieces {
            switch piece {
            case .local: break
            case .stored(let source, _, _), .pending(_, let source, _): reads.insert(source)
            }
        }
        return DrainSchedule.Footprint(writes: key, isDelete: kind == .delete, reads: reads, guards: guards)
    }

    /// The one stored object that it copies whole; nil where it has content of its own.
    var copySource: (key: ObjectKey, etag: ETag?)? {
        guard kind == .copy, pieces.count == 1, case .stored(let source, let etag, let range) = pieces[0],
            range.lowerBound == 0
        else { return nil }
        return (source, etag)
    }

    /// The intents whose content it needs.
    var needs: Set<Int64> {
        var needs: Set<Int64> = []
        for case .pending(let intent, _, _) in pieces { needs.insert(intent) }
        return needs
    }

    /// What a piece that rests on this intent consists of; nil for a piece that does not.
    func content(of piece: ContentPiece) -> [ContentPiece]? {
        guard case .pending(id, _, let range) = piece else { return nil }
        return pieces.slice(range)
    }

    /// Has other pieces from now on, which those of `other` were put into.
    mutating func takeOver(_ new: [ContentPiece], of other: Intent) {
        guard new != pieces else { return }
        pieces = new
        // What was a copy of a whole object is now a copy of what that one is made of, which may be a part of something.
        if kind == .copy, other.kind != .copy {
            kind = .put
            keepsMetadata = false
        }
    }

    /// Puts the stored object in the place of what was pending of `intent`. Returns whether anything changed.
    mutating func resolve(_ intent: Int64, key source: ObjectKey, etag stored: ETag?) -> Bool {
        var changed = false
        if base == .after(intent) {
            base = stored.map { .version($0) } ?? .none
            changed = true
        }
        for index in pieces.indices {
            guard case .pending(intent, _, let range) = pieces[index] else { continue }
            pieces[index] = .stored(key: source, etag: stored, range: range)
            changed = true
        }
        return changed
    }
}

extension Intent {
    /// Writes the row, new or in the place of the old one.
    func insert(into database: SQLiteDatabase) throws(LocalStateError) {
        try database.run(
            "INSERT OR REPLACE INTO intents (id, key, record) VALUES (?, ?, ?)",
            [.integer(id), .text(key.string), .blob(encoded)])
    }

    static func delete(_ id: Int64, from database: SQLiteDatabase) throws(LocalStateError) {
        try database.run("DELETE FROM intents WHERE id = ?", [.integer(id)])
    }

    var encoded: [UInt8] {
        var writer = RecordWriter()
        writer.write(Int64(kind.rawValue))
        switch base {
        case .none: writer.write(0)
        case .presumedAbsent: writer.write(1)
        case .absent: writer.write(2)
        case .version(let etag):
            writer.write(3)
            writer.write(etag.value)
        case .after(let intent):
            writer.write(4)
            writer.write(intent)
        }
        writer.write(etag.value)
        writer.write(date.seconds)
        writer.write(metadata)
        writer.write(keepsMetadata ? 1 : 0)
        writer.write(pieces)
        writer.write(Int64(waits.count))
        for id in waits.sorted() { writer.write(id) }
        writer.write(Int64(guards.count))
        for key in guards { writer.write(key.string) }
        return writer.sealed(id: id, key: key)
    }

    /// An intent from its row; nil where that cannot be read.
    init?(id: Int64, key: String, decoding bytes: [UInt8]) {
        do {
            var reader = try RecordReader(sealed: bytes, id: id, key: key)
            guard let kind = Kind(rawValue: Int(try reader.number())) else { return nil }
            let base: Base
            switch try reader.number() {
            case 0: base = .none
            case 1: base = .presumedAbsent
            case 2: base = .absent
            case 3: base = .version(ETag(try reader.text()))
            case 4: base = .after(try reader.number())
            default: return nil
            }
            self.init(
                id: id, key: ObjectKey(key), kind: kind, base: base, etag: ETag(try reader.text()),
                date: Timestamp(seconds: try reader.number()), metadata: try reader.metadata())
            keepsMetadata = try reader.number() != 0
            pieces = try reader.pieces()
            for _ in 0..<(try reader.count()) { waits.insert(try reader.number()) }
            for _ in 0..<(try reader.count()) { guards.insert(ObjectKey(try reader.text())) }
            mayHaveRun = true
        } catch {
            return nil
        }
    }
}
