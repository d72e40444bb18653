/// What a page of a listing tells of a directory: entries in the order of keys, and how far they are all there are.
///
/// **Problem.** S3 lists in the order of keys, in which the directory `a` is `a/`. Some stores (SeaweedFS) let it stand where its name
/// stands, before `a-b` and `a.txt`. A page that ends behind `a/` then says nothing of `a-b`, which sorts before.
///
/// **Design.** In either order, what is still to come has a name behind all names of the page, the slash aside, and so a key behind them.
/// So the page covers all up to the greatest of these names. Directories whose key lies behind that, seldom more than one, are its
/// `rest`: they belong to the page that covers them, or to the last one.
struct ListedPage: Sendable {
    /// What is covered, and what is there.
    var span: KnownEntries.Span
    /// Entries behind what is covered, in the order of keys.
    var rest: [KnownEntries.Entry] = []
    /// All keys of the page, those that are not shown too, below the directory and in order.
    var keys: [String]

    /// A page of the keys that a store has given, each with its entry unless that is not shown.
    init(rows: [(key: String, entry: KnownEntries.Entry?)], after lower: String?, seen: Moment, isLast: Bool) {
        var rows = rows
        let isSorted = zip(rows, rows.dropFirst()).allSatisfy { !Self.less($1.key, $0.key) }
        if !isSorted { rows.sort { Self.less($0.key, $1.key) } }
        keys = rows.map(\.key)
        var upper: String?
        if !isLast {
            for key in keys {
                let name = key.utf8.last == UInt8(ascii: "/") ? String(key.dropLast()) : key
                if upper.map({ Self.less($0, name) }) ?? true { upper = name }
            }
        }
        var entries: [KnownEntries.Entry] = []
        entries.reserveCapacity(rows.count)
        for (key, entry) in rows {
            guard let entry else { continue }
            if let upper, Self.less(upper, key) { rest.append(entry) } else { entries.append(entry) }
        }
        span = .init(lower: lower, upper: upper, seen: seen, entries: entries)
    }

    private static func less(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
}
