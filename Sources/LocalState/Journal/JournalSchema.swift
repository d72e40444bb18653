/// The journal's tables, and the steps from one format to the next.
///
/// `user_version` holds the format. A newer one is refused; an older one is brought up step by step, in one transaction.
/// Columns named `record` are written by ``RecordWriter``.
enum JournalSchema {
    private typealias Step = @Sendable (SQLiteDatabase) throws(LocalStateError) -> Void

    /// One step for each format.
    private static let steps: [Step] = [makeTables, sealRecords, addExchanges]

    private static let makeTables: Step = { database throws(LocalStateError) in
        try database.execute(
            """
            CREATE TABLE contents (id INTEGER PRIMARY KEY, length INTEGER NOT NULL, checksums BLOB NOT NULL, bytes BLOB);
            CREATE TABLE intents (id INTEGER PRIMARY KEY, key TEXT NOT NULL, record BLOB NOT NULL);
            CREATE TABLE uploads (key TEXT NOT NULL, upload TEXT NOT NULL, began INTEGER NOT NULL, PRIMARY KEY (key, upload));
            CREATE TABLE renames (id INTEGER PRIMARY KEY, source TEXT NOT NULL, target TEXT NOT NULL, phase INTEGER NOT NULL);
            CREATE TABLE hidden (key TEXT PRIMARY KEY);
            CREATE TABLE kept (id INTEGER PRIMARY KEY, key TEXT NOT NULL, record BLOB NOT NULL);
            """)
    }

    /// Format 2: a checksum at the end of each record.
    private static let sealRecords: Step = { database throws(LocalStateError) in
        for table in ["intents", "kept"] {
            let rows = try database.query(
                "SELECT id, key, record FROM \(table)", [], { ($0.integer(0), $0.text(1), $0.blob(2)) })
            for (id, key, record) in rows {
                let sealed = record + RecordSeal.sum(record[...], id: id, key: key)
                try database.run(
                    "UPDATE \(table) SET record = ? WHERE id = ?", [.blob(sealed), .integer(id)])
            }
        }
    }

    /// Format 3: exchanges of two files.
    private static let addExchanges: Step = { database throws(LocalStateError) in
        try database.execute(
            """
            CREATE TABLE exchanges (
                id INTEGER PRIMARY KEY, small TEXT NOT NULL, large TEXT NOT NULL, aside TEXT NOT NULL, aside_of_large TEXT NOT NULL
            );
            """)
    }

    /// The format that this build writes.
    static var format: Int { steps.count }

    /// Sets a connection up and brings the tables to this build's format.
    /// - Throws: `newerFormat`; `damaged` where the file is no sound database.
    static func prepare(_ database: SQLiteDatabase) throws(LocalStateError) {
        try database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF")
        // A checkpoint costs two fsyncs and keeps the transaction waiting that comes upon it: one each 16 MiB of the log.
        try database.execute("PRAGMA wal_autocheckpoint = 4096")
        let found = Int(try database.query("PRAGMA user_version", [], { $0.integer(0) }).first ?? 0)
        guard found <= format else {
            throw LocalStateError(.newerFormat(found: found, known: format), path: database.path)
        }
        let report = try database.query("PRAGMA quick_check(1)", [], { $0.text(0) })
        guard report == ["ok"] else {
            throw LocalStateError(.damaged, path: database.path, detail: report.first ?? "no answer to quick_check")
        }
        if found == format { return }
        try database.execute("BEGIN IMMEDIATE")
        do throws(LocalStateError) {
            for step in steps[found...] { try step(database) }
            try database.execute("PRAGMA user_version = \(format); COMMIT")
        } catch {
            try? database.execute("ROLLBACK")
            throw error
        }
    }

    /// A connection that only reads the database of a journal's directory, next to whoever writes it.
    /// - Throws: `newerFormat`, `io`, `damaged`.
    static func reader(of directory: String) throws(LocalStateError) -> SQLiteDatabase {
        let database = try SQLiteDatabase(directory + "/journal.sqlite", readOnly: true)
        let found = Int(try database.query("PRAGMA user_version", [], { $0.integer(0) }).first ?? 0)
        guard found <= format else {
            throw LocalStateError(.newerFormat(found: found, known: format), path: database.path)
        }
        return database
    }
}
