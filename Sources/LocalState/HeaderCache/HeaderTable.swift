internal import ObjectStore

/// The tables of a ``HeaderCache``: directories, and the objects in each.
///
/// A directory is what is read and what is thrown away, so its objects lie side by side, and what they take and when somebody last read them is
/// kept once for all of them. Not thread-safe: a connection belongs to one thread.
struct HeaderTable {
    /// The format of tables and records.
    private static let format: Int64 = 1
    /// What SQLite needs for a row beside its values, about.
    private static let rowBytes: Int64 = 40
    /// A directory's time of use is moved at most this often, in seconds.
    static let useInterval: Int64 = 3600

    let database: SQLiteDatabase

    /// An object's row to write.
    struct Row: Sendable {
        var name: String
        var etag: String
        var seconds: Int64
        var record: [UInt8]

        var bytes: Int64 { Int64(name.utf8.count + etag.utf8.count + record.count) + HeaderTable.rowBytes }
    }

    /// An object's row as it was found.
    struct Found: Sendable {
        var etag: String
        var seconds: Int64
        var record: [UInt8]
    }

    /// Sets a connection up, and makes the tables where there are none.
    /// - Throws: `damaged`, also for tables of another format.
    init(_ path: String) throws(LocalStateError) {
        database = try SQLiteDatabase(path)
        // Not synced but at checkpoints: a crash costs what was written last, and never the whole.
        try database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -2048;")
        let format = try database.query("PRAGMA user_version") { $0.integer(0) }.first ?? 0
        if format == Self.format { return }
        guard format == 0 else { throw LocalStateError(.damaged, path: path, detail: "format \(format)") }
        try database.execute(
            """
            BEGIN IMMEDIATE;
            CREATE TABLE directories (
                id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, used INTEGER NOT NULL);
            CREATE TABLE objects (
                directory INTEGER NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL, seconds INTEGER NOT NULL, record BLOB NOT NULL,
                PRIMARY KEY (directory, name)) WITHOUT ROWID;
            PRAGMA user_version = \(Self.format);
            COMMIT;
            """)
    }

    /// What all directories take, in bytes.
    func bytes() throws(LocalStateError) -> Int64 {
        try database.query("SELECT TOTAL(bytes) FROM directories") { $0.integer(0) }.first ?? 0
    }

    /// A directory's number and when it was last read, in seconds since 1970.
    func directory(_ path: String) throws(LocalStateError) -> (id: Int64, used: Int64)? {
        try database.query("SELECT id, used FROM directories WHERE path = ?", [.text(path)]) {
            ($0.integer(0), $0.integer(1))
        }.first
    }

    /// The objects of a directory from one name to another, both included.
    func objects(of directory: Int64, from first: String, to last: String) throws(LocalStateError) -> [String: Found] {
        let rows = try database.query(
            "SELECT name, etag, seconds, record FROM objects WHERE directory = ? AND name BETWEEN ? AND ?",
            [.integer(directory), .text(first), .text(last)]
        ) { ($0.text(0), Found(etag: $0.text(1), seconds: $0.integer(2), record: $0.blob(3))) }
        // Swift's String compares canonically: of two names that Unicode calls equal neither is taken.
        var found: [String: Found] = [:]
        var doubtful: Set<String> = []
        for (name, row) in rows where found.updateValue(row, forKey: name) != nil { doubtful.insert(name) }
        for name in doubtful { found[name] = nil }
        return found
    }

    /// One object of a directory.
    func object(_ name: String, of directory: Int64) throws(LocalStateError) -> Found? {
        try database.query(
            "SELECT etag, seconds, record FROM objects WHERE directory = ? AND name = ?",
            [.integer(directory), .text(name)]
        ) { Found(etag: $0.text(0), seconds: $0.integer(1), record: $0.blob(2)) }.first
    }

    /// Makes a directory, or finds it.
    func make(_ path: String, at now: Int64) throws(LocalStateError) -> Int64 {
        if let known = try directory(path) { return known.id }
        try database.run(
            "INSERT INTO directories (path, bytes, used) VALUES (?, ?, ?)",
            [.text(path), .integer(Int64(path.utf8.count) + Self.rowBytes), .integer(now)])
        return try database.query("SELECT last_insert_rowid()") { $0.integer(0) }.first ?? 0
    }

    /// Writes a row in place of what is there by that name. Returns by how many bytes the directory has grown.
    func put(_ row: Row, in directory: Int64) throws(LocalStateError) -> Int64 {
        let old = try remove(row.name, of: directory)
        try database.run(
            "INSERT INTO objects (directory, name, etag, seconds, record) VALUES (?, ?, ?, ?, ?)",
            [.integer(directory), .text(row.name), .text(row.etag), .integer(row.seconds), .blob(row.record)])
        try grow(directory, by: row.bytes)
        return row.bytes + old
    }

    /// Removes a row. Returns by how many bytes the directory has grown: 0 or less.
    func remove(_ name: String, of directory: Int64) throws(LocalStateError) -> Int64 {
        guard let old = try object(name, of: directory) else { return 0 }
        try database.run(
            "DELETE FROM objects WHERE directory = ? AND name = ?", [.integer(directory), .text(name)])
        let bytes = -Row(name: name, etag: old.etag, seconds: old.seconds, record: old.record).bytes
        try grow(directory, by: bytes)
        return bytes
    }

    private func grow(_ directory: Int64, by bytes: Int64) throws(LocalStateError) {
        try database.run(
            "UPDATE directories SET bytes = bytes + ? WHERE id = ?", [.integer(bytes), .integer(directory)])
    }

    /// Notes that a directory was read.
    func noteUse(of directory: Int64, at now: Int64) throws(LocalStateError) {
        try database.run("UPDATE directories SET used = ? WHERE id = ?", [.integer(now), .integer(directory)])
    }

    /// Removes the directory that was not read for the longest, unless it is `kept`. Returns the bytes that it took; nil where there is none.
    func removeOldest(but kept: Int64) throws(LocalStateError) -> Int64? {
        let oldest = try database.query(
            "SELECT id, bytes FROM directories WHERE id <> ? ORDER BY used, id LIMIT 1", [.integer(kept)]
        ) { (id: $0.integer(0), bytes: $0.integer(1)) }.first
        guard let oldest else { return nil }
        try database.run("DELETE FROM objects WHERE directory = ?", [.integer(oldest.id)])
        try database.run("DELETE FROM directories WHERE id = ?", [.integer(oldest.id)])
        return oldest.bytes
    }
}
