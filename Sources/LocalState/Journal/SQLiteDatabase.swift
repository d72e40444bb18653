import CSQLite

/// A connection to an SQLite database file: statements in, typed rows out.
///
/// Why not GRDB: it adds three minutes to a clean release build on two cores, and the journal needs a dozen statements (see
/// Documentation/DEPENDENCIES.md). Not thread-safe: a connection belongs to one thread or one lock. Statements are prepared
/// once and kept. Bound bytes are copied once by SQLite.
///
/// See <https://www.sqlite.org/c3ref/intro.html>.
final class SQLiteDatabase {
    /// A value to bind.
    enum Value {
        case null
        case integer(Int64)
        case text(String)
        case blob([UInt8])
    }

    let path: String
    private let handle: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]
    private var isClosed = false

    /// Opens a database, making the file where it is not there.
    init(_ path: String, readOnly: Bool = false) throws(LocalStateError) {
        self.path = path
        var handle: OpaquePointer?
        let mode = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let status = sqlite3_open_v2(path, &handle, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard status == SQLITE_OK, let handle else {
            defer { sqlite3_close(handle) }
            throw Self.error(status, handle, path)
        }
        self.handle = handle
        sqlite3_busy_timeout(handle, 5_000)
    }

    deinit { close() }

    /// Ends the connection; nothing may be asked of it any more.
    func close() {
        if isClosed { return }
        isClosed = true
        for statement in statements.values { sqlite3_finalize(statement) }
        statements.removeAll()
        sqlite3_close(handle)
    }

    private static func error(_ status: Int32, _ handle: OpaquePointer?, _ path: String) -> LocalStateError {
        let text = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(status))
        let number = handle.map { sqlite3_system_errno($0) } ?? 0
        switch status & 0xFF {
        case SQLITE_FULL: return LocalStateError(.diskFull, path: path, detail: text)
        case SQLITE_CORRUPT, SQLITE_NOTADB: return LocalStateError(.damaged, path: path, detail: text)
        case SQLITE_IOERR, SQLITE_CANTOPEN:
            // ENOSPC shows as an I/O error where the file grew already.
            if number == 28 || number == 122 { return LocalStateError(.diskFull, path: path, detail: text) }
            return LocalStateError(.io(errno: number), path: path, detail: text)
        default: return LocalStateError(.io(errno: number), path: path, detail: text)
        }
    }

    private func failure(_ status: Int32) -> LocalStateError { Self.error(status, handle, path) }

    /// Runs one statement or several, without values.
    func execute(_ sql: String) throws(LocalStateError) {
        let status = sqlite3_exec(handle, sql, nil, nil, nil)
        guard status == SQLITE_OK else { throw failure(status) }
    }

    /// Runs one statement with values.
    func run(_ sql: String, _ values: [Value] = []) throws(LocalStateError) {
        _ = try query(sql, values) { _ in () }
    }

    /// Runs one statement and maps its rows.
    func query<T>(_ sql: String, _ values: [Value] = [], _ map: (Row) -> T) throws(LocalStateError) -> [T] {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            let status = Self.bind(value, to: statement, Int32(index + 1))
            guard status == SQLITE_OK else { throw failure(status) }
        }
        var rows: [T] = []
        while true {
            let status = sqlite3_step(statement)
            if status == SQLITE_ROW {
                rows.append(map(Row(statement: statement)))
            } else if status == SQLITE_DONE {
                return rows
            } else {
                throw failure(status)
            }
        }
    }

    /// Whether a transaction is open: a failing statement may have ended it.
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    private func prepared(_ sql: String) throws(LocalStateError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let status = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard status == SQLITE_OK, let statement else { throw failure(status) }
        statements[sql] = statement
        return statement
    }

    private static func bind(_ value: Value, to statement: OpaquePointer, _ index: Int32) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(statement, index)
        case .integer(let number): return sqlite3_bind_int64(statement, index, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    pail_sqlite3_bind_text(statement, index, $0.baseAddress, Int32($0.count))
                }
            }
        case .blob(let bytes):
            return bytes.withUnsafeBytes { pail_sqlite3_bind_blob(statement, index, $0.baseAddress, Int32($0.count)) }
        }
    }

    /// The row that a statement stands on, valid only inside the mapping.
    struct Row {
        fileprivate let statement: OpaquePointer

        func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

        func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

        func text(_ column: Int32) -> String {
            guard let text = sqlite3_column_text(statement, column) else { return "" }
            let count = Int(sqlite3_column_bytes(statement, column))
            return String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
        }

        func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

        func blob(_ column: Int32) -> [UInt8] {
            guard let bytes = sqlite3_column_blob(statement, column) else { return [] }
            let count = Int(sqlite3_column_bytes(statement, column))
            return Array(UnsafeRawBufferPointer(start: bytes, count: count))
        }
    }
}
