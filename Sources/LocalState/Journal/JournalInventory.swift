public import ObjectStore

#if canImport(Glibc)
    import Glibc
#endif

/// All that a journal's directory holds, as one moment shows it, without changing anything: for the consistency check.
///
/// **Problem.** A person wants to know what a dead mount has left before anything acts on it; and what a live mount owns right
/// now, which only its journal tells.
///
/// **Design.** A connection of its own that only reads, which SQLite lets be next to a writer, and one transaction, so that all
/// tables are of one moment. Nothing is repaired and nothing is taken: see ``Journal/open(in:options:logger:)`` for that.
///
/// **Limits.** Beside a live mount the files of contents may come and go between the look at the rows and the look at the folder: there
/// only the rows count. All rows must fit into memory, as for the mount.
public struct JournalInventory: Sendable {
    /// How closely to look.
    public enum Depth: Sendable, Comparable {
        /// The rows alone: what a live mount owns.
        case rows
        /// The files of contents by their names and sizes, too.
        case files
        /// All contents are read and compared with their checksums.
        case contents
    }

    /// A change that is not in the bucket yet.
    public struct Change: Sendable, Equatable {
        /// Its number.
        public var id: Int64
        /// The object's key.
        public var key: ObjectKey
        /// What it does.
        public var kind: PendingSummary.Item.Kind
        /// The object's size in bytes; 0 for a delete.
        public var bytes: Int64
        /// When it was promised.
        public var date: Timestamp
    }

    /// Bytes that changes or kept contents name.
    public struct Content: Sendable, Equatable {
        /// Its number; the name of its file, where it has one.
        public var id: Int64
        /// Bytes.
        public var length: Int64
        /// The keys of the changes and kept contents that name it; empty for what nobody needs.
        public var keys: [ObjectKey]
        /// Why it cannot be read back; nil where it can, as far as was looked.
        public var damage: String?
    }

    /// A file among those of contents that no row names.
    public struct StrayFile: Sendable, Equatable {
        /// Its path.
        public var path: String
        /// Bytes.
        public var bytes: Int64
    }

    /// Changes that are not in the bucket yet, the oldest first.
    public private(set) var changes: [Change] = []
    /// Contents that could not be stored and wait for a person, the oldest first.
    public private(set) var kept: [KeptContent] = []
    /// Uploads begun and not ended.
    public private(set) var uploads: [MultipartUpload] = []
    /// Renames of directories begun and not ended.
    public private(set) var renames: [DirectoryRename] = []
    /// Exchanges of two files begun and not ended.
    public private(set) var exchanges: [KeyExchange] = []
    /// Copies of unlinked files that nobody needs after the process.
    public private(set) var hidden: [ObjectKey] = []
    /// All contents.
    public private(set) var contents: [Content] = []
    /// Keys of changes and kept contents whose rows cannot be read.
    public private(set) var unreadable: [ObjectKey] = []
    /// Files that no row names.
    public private(set) var strayFiles: [StrayFile] = []

    /// Bytes of all contents.
    public var bytes: Int64 { contents.reduce(0) { $0 + $1.length } }

    /// Reads a journal. Waits for the disk; ends early, with what was read so far missing its checksums' verdict, where the task is
    /// cancelled.
    /// - Throws: `damaged` where the database is not sound, `newerFormat`, `io`.
    public static func read(_ directory: String, _ depth: Depth) throws(LocalStateError) -> JournalInventory {
        let database = try JournalSchema.reader(of: directory)
        defer { database.close() }
        try database.execute("BEGIN")
        if depth > .rows {
            let report = try database.query("PRAGMA quick_check(1)", [], { $0.text(0) })
            guard report == ["ok"] else {
                throw LocalStateError(.damaged, path: database.path, detail: report.first ?? "no answer to quick_check")
            }
        }
        var inventory = JournalInventory()
        // A process that died before its first transaction has left a database without tables.
        guard try database.query("PRAGMA user_version", [], { $0.integer(0) }).first ?? 0 > 0 else { return inventory }
        let users = try inventory.readWork(from: database)
        // A journal of an older format has no such table.
        if try database.query("SELECT 1 FROM sqlite_master WHERE name = 'exchanges'", [], { $0.integer(0) }).first == 1
        {
            inventory.exchanges = try KeyExchange.all(in: database)
        }
        if depth > .rows { try inventory.readContents(of: directory, from: database, users, depth) }
        return inventory
    }

    /// Directories below a journal's own where ``Journal`` has put a damaged one aside.
    public static func setAside(in directory: String) -> [String] {
        DirectoryNames.all(in: directory).filter { $0.hasPrefix("damaged-") }.sorted().map { directory + "/" + $0 }
    }

    /// Reads all but the contents; returns who names them.
    private mutating func readWork(from database: SQLiteDatabase) throws(LocalStateError) -> [Int64: [ObjectKey]] {
        var users: [Int64: [ObjectKey]] = [:]
        let intents = try database.query(
            "SELECT id, key, record FROM intents ORDER BY id", [], { ($0.integer(0), $0.text(1), $0.blob(2)) })
        for (id, key, record) in intents {
            guard let intent = Intent(id: id, key: key, decoding: record) else {
                unreadable.append(ObjectKey(key))
                continue
            }
            let kind: PendingSummary.Item.Kind =
                switch intent.kind {
                case .put: .put
                case .copy: .copy
                case .delete: .delete
                }
            changes.append(Change(id: id, key: intent.key, kind: kind, bytes: intent.size, date: intent.date))
            for content in Set(intent.pieces.contents) { users[content, default: []].append(intent.key) }
        }
        let rows = try database.query(
            "SELECT id, key, record FROM kept ORDER BY id", [], { ($0.integer(0), ObjectKey($0.text(1)), $0.blob(2)) })
        for (id, key, record) in rows {
            guard let record = KeptRecord(id: id, key: key, decoding: record) else {
                unreadable.append(key)
                continue
            }
            kept.append(record.content)
            for content in Set(record.pieces.contents) { users[content, default: []].append(key) }
        }
        uploads = try database.query(
            "SELECT key, upload, began FROM uploads ORDER BY began, key", [],
            {
                MultipartUpload(
                    key: ObjectKey($0.text(0)), id: $0.text(1), initiated: Timestamp(seconds: $0.integer(2)))
            })
        renames = try database.query(
            "SELECT id, source, target, phase FROM renames ORDER BY id", [], DirectoryRename.init)
        hidden = try database.query("SELECT key FROM hidden ORDER BY key", [], { ObjectKey($0.text(0)) })
        return users
    }

    private mutating func readContents(
        of directory: String, from database: SQLiteDatabase, _ users: [Int64: [ObjectKey]], _ depth: Depth
    ) throws(LocalStateError) {
        let folder = directory + "/blobs"
        let files = Set(DirectoryNames.all(in: folder).compactMap { Int64($0) })
        let blobs = BlobFolder(existing: folder)
        let rows = try database.query(
            "SELECT id, length, checksums, bytes IS NULL FROM contents ORDER BY id", [],
            {
                (
                    id: $0.integer(0), length: $0.integer(1), sums: BlockChecksums(decoding: $0.blob(2)),
                    isFile: $0.integer(3) != 0
                )
            }
        )
        for row in rows {
            var content = Content(id: row.id, length: row.length, keys: users[row.id] ?? [])
            let isVerified = depth == .contents && !Task.isCancelled
            if row.isFile {
                let size = blobs.size(row.id)
                if size == nil {
                    content.damage = "its file is gone"
                } else if size != row.length {
                    content.damage = "its file has \(size ?? 0) bytes of \(row.length)"
                } else if isVerified {
                    content.damage = blobs.damage(row.id, length: row.length, row.sums)
                }
            } else if isVerified {
                let bytes = try database.query(
                    "SELECT bytes FROM contents WHERE id = ?", [.integer(row.id)], { $0.blob(0) }
                ).first
                let isSound =
                    bytes.map { bytes in
                        bytes.count == Int(row.length) && bytes.withUnsafeBytes { row.sums.matches($0, index: 0) }
                    } ?? false
                if !isSound { content.damage = "it fails its checksum" }
            }
            contents.append(content)
        }
        let known = Set(rows.map(\.id))
        for (id, keys) in users.sorted(by: { $0.key < $1.key }) where !known.contains(id) {
            contents.append(Content(id: id, length: 0, keys: keys, damage: "its row is gone"))
        }
        strayFiles = files.subtracting(known).sorted().map {
            StrayFile(path: blobs.file($0), bytes: blobs.size($0) ?? 0)
        }
    }
}

extension BlobFolder {
    /// Why a file cannot be read back; nil where it can. Reads all of it.
    fileprivate func damage(_ id: Int64, length: Int64, _ sums: BlockChecksums) -> String? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: BlockChecksums.blockSize, alignment: 64)
        defer { buffer.deallocate() }
        let size = Int64(BlockChecksums.blockSize)
        for index in 0..<(length + size - 1) / size {
            if Task.isCancelled { return nil }
            do throws(LocalStateError) {
                _ = try read(id, block: Int(index), length: length, sums, into: buffer)
            } catch {
                return error.detail
            }
        }
        return nil
    }
}

/// The names in a directory.
enum DirectoryNames {
    /// All but `.` and `..`, in no order; empty where the directory cannot be read.
    static func all(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
