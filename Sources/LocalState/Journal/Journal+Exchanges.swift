public import ObjectStore
import Synchronization

/// Two objects whose keys are being exchanged (`RENAME_EXCHANGE`).
public struct KeyExchange: Sendable, Equatable {
    /// Its number.
    public var id: Int64
    /// The key of the smaller object before.
    public var small: ObjectKey
    /// The key of the larger one before.
    public var large: ObjectKey
    /// Where the smaller one's content stands meanwhile.
    public var aside: ObjectKey
    /// Where the larger one's is kept, if the exchange fails in the middle.
    public var asideOfLarge: ObjectKey

    /// An exchange of the given parts.
    public init(id: Int64, small: ObjectKey, large: ObjectKey, aside: ObjectKey, asideOfLarge: ObjectKey) {
        self.id = id
        self.small = small
        self.large = large
        self.aside = aside
        self.asideOfLarge = asideOfLarge
    }
}

extension KeyExchange {
    /// A row of `id, small, large, aside, aside_of_large`.
    init(_ row: SQLiteDatabase.Row) {
        self.init(
            id: row.integer(0), small: ObjectKey(row.text(1)), large: ObjectKey(row.text(2)),
            aside: ObjectKey(row.text(3)), asideOfLarge: ObjectKey(row.text(4)))
    }

    /// All rows.
    static func all(in database: SQLiteDatabase) throws(LocalStateError) -> [KeyExchange] {
        try database.query(
            "SELECT id, small, large, aside, aside_of_large FROM exchanges ORDER BY id", [], KeyExchange.init)
    }
}

/// Exchanges under way: in their middle one content stands under no name of its own. Each call is durable when it returns.
extension Journal {
    /// An exchange is about to begin. Returns its number; that of the argument does not count.
    public func exchangeBegan(_ exchange: KeyExchange) async throws(LocalStateError) -> Int64 {
        var exchange = exchange
        exchange.id = state.withLock { $0.makeID() }
        let row = exchange
        try await change { database throws(LocalStateError) in
            try database.run(
                "INSERT INTO exchanges (id, small, large, aside, aside_of_large) VALUES (?, ?, ?, ?, ?)",
                [
                    .integer(row.id), .text(row.small.string), .text(row.large.string), .text(row.aside.string),
                    .text(row.asideOfLarge.string),
                ])
        }
        state.withLock { $0.exchanges[row.id] = row }
        return row.id
    }

    /// It is done, or has been taken back.
    /// - Parameter garbage: what still stands aside, and nobody needs.
    public func exchangeEnded(_ id: Int64, leaving garbage: ObjectKey? = nil) async throws(LocalStateError) {
        try await change { database throws(LocalStateError) in
            try database.run("DELETE FROM exchanges WHERE id = ?", [.integer(id)])
            if let garbage {
                try database.run("INSERT OR REPLACE INTO hidden (key) VALUES (?)", [.text(garbage.string)])
            }
        }
        state.withLock { state in
            state.exchanges[id] = nil
            if let garbage { state.hidden.insert(garbage) }
        }
    }

    /// The exchanges begun and not ended, the oldest first.
    public var exchanges: [KeyExchange] { state.withLock { $0.exchanges.values.sorted { $0.id < $1.id } } }
}
