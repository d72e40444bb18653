internal import ObjectStore

/// What listings have told of a directory: which names it has, over which ranges that is all of them, and since when.
///
/// **Problem.** A name that is not there must be answered without a request as often as possible (each create asks for
/// its name first), and a name that is there must not be forgotten because a listing arrived late.
///
/// **Design.** A page of a listing is complete between the key it began after and the last key it holds. Such a *span*
/// keeps its entries in key order with the moment the request was sent. Spans do not overlap: a newer one cuts what it
/// covers out of the older ones, and one that was overtaken by a newer one fills only what that leaves. Names that this
/// mount stored or removed while a listing was on its way are told apart by a sequence number, and for those the listing is
/// not believed.
///
/// **Limits.** Entries are ordered as S3 orders keys, in which the directory `a` is `a/`: so a name is known absent only
/// where both `a` and `a/` lie inside spans. An expired span is kept for its order (the attribute read-ahead walks along
/// it) but no longer believed.
struct KnownEntries: Sendable {
    /// One name as a listing shows it.
    struct Entry: Sendable, Equatable {
        /// The name.
        var name: FileName
        /// What the listing tells of the object; nil for a directory (a common prefix).
        var object: Version?

        /// Where the entry stands in the order of keys: the name, with `/` behind a directory's.
        var isDirectory: Bool { object == nil }
    }

    /// What a listing tells of an object.
    struct Version: Sendable, Hashable {
        var size: Int64
        var etag: ETag?
        var lastModified: Timestamp
    }

    /// A stretch of the directory that is wholly known.
    struct Span: Sendable {
        /// Everything after this key, which itself is not covered; nil from the beginning.
        var lower: String?
        /// Up to this key, which is covered; nil to the end.
        var upper: String?
        /// When the listing was asked for.
        var seen: Moment
        /// The entries, in key order.
        var entries: [Entry]
    }

    /// What is known of a name.
    enum Knowledge: Sendable, Equatable {
        /// It is there, seen at that moment.
        case present(Entry, seen: Moment)
        /// It was not there at that moment.
        case absent(seen: Moment)
        /// Not covered.
        case unknown
    }

    private(set) var spans: [Span] = []
    private var sequence: UInt64 = 0
    private var listingsInFlight = 0
    /// What became of names while listings were on their way, and when.
    private var changedMeanwhile: [FileName: (sequence: UInt64, change: Change)] = [:]

    /// What became of a name.
    private enum Change: Sendable {
        /// This mount has stored it.
        case stored(Entry)
        /// This mount has removed it.
        case removed
        /// Somebody else has changed it, and nobody here knows to what.
        case forgotten
    }

    // MARK: Asking

    /// What is known of `name`, whatever its age.
    func knowledge(of name: FileName) -> Knowledge {
        let directoryKey = name.string + "/"
        guard let asDirectory = span(covering: directoryKey) else {
            if let asFile = span(covering: name.string), let entry = find(name.string, isDirectory: false, in: asFile) {
                return .present(entry, seen: spans[asFile].seen)
            }
            return .unknown
        }
        guard let asFile = span(covering: name.string) else {
            if let entry = find(directoryKey, isDirectory: true, in: asDirectory) {
                return .present(entry, seen: spans[asDirectory].seen)
            }
            return .unknown
        }
        if let entry = find(name.string, isDirectory: false, in: asFile) {
            return .present(entry, seen: spans[asFile].seen)
        }
        if let entry = find(directoryKey, isDirectory: true, in: asDirectory) {
            return .present(entry, seen: spans[asDirectory].seen)
        }
        return .absent(seen: min(spans[asFile].seen, spans[asDirectory].seen))
    }

    /// Up to `limit` entries after `key`, as far as the spans reach without a gap.
    func entries(after key: String, limit: Int) -> [Entry] {
        var key = key
        var found: [Entry] = []
        while found.count < limit, let index = span(after: key) {
            let span = spans[index]
            let start = position(of: key, in: span.entries, afterEqual: true)
            found.append(contentsOf: span.entries[start...].prefix(limit - found.count))
            guard let upper = span.upper else { break }
            key = upper
        }
        return found
    }

    /// All entries, where the spans cover the whole directory and none was asked for before `moment`; nil otherwise.
    func all(since moment: Moment) -> [Entry]? {
        guard let first = spans.first, first.lower == nil, first.seen >= moment else { return nil }
        var entries = first.entries
        var upper = first.upper
        for span in spans.dropFirst() {
            guard let reached = upper, let lower = span.lower, Self.same(reached, lower), span.seen >= moment else {
                return nil
            }
            entries.append(contentsOf: span.entries)
            upper = span.upper
        }
        return upper == nil ? entries : nil
    }

    // MARK: Listings

    /// A listing is about to be asked for. Give the result to ``apply`` or ``endListing``.
    mutating func beginListing() -> UInt64 {
        listingsInFlight += 1
        return sequence
    }

    /// A listing ended without a result.
    mutating func endListing() {
        listingsInFlight -= 1
        if listingsInFlight == 0 { changedMeanwhile.removeAll() }
    }

    /// Takes in a page that was begun at `start` and asked for at `seen`.
    mutating func apply(_ page: Span, begun start: UInt64) {
        var page = page
        let local = changedMeanwhile.filter { $0.value.sequence > start }
        if !local.isEmpty {
            page.entries.removeAll { local[$0.name] != nil }
            for (name, change) in local {
                let entry: Entry? =
                    switch (knowledge(of: name), change.change) {
                    case (.present(let entry, _), _): entry
                    // No span covered the name when it was stored.
                    case (.unknown, .stored(let entry)): entry
                    case (.absent, _), (.unknown, _): nil
                    }
                guard let entry, Self.covers(page, Self.key(of: entry)) else { continue }
                page.entries.insert(entry, at: position(of: Self.key(of: entry), in: page.entries, afterEqual: false))
            }
        }
        for piece in parts(of: page) {
            cut(from: piece.lower, to: piece.upper)
            insert(piece)
        }
        for (name, change) in local {
            if case .forgotten = change.change { uncover(name) }
        }
        endListing()
    }

    /// What of a page no listing that was asked for after it covers.
    private func parts(of page: Span) -> [Span] {
        var parts: [Span] = []
        var lower = page.lower
        for span in spans where span.seen > page.seen {
            if let reached = lower, let upper = span.upper, !Self.less(reached, upper) { continue }
            if let spanLower = span.lower {
                if let upper = page.upper, !Self.less(spanLower, upper) { break }
                if lower.map({ Self.less($0, spanLower) }) ?? true {
                    parts.append(part(of: page, from: lower, to: spanLower))
                }
            }
            guard let upper = span.upper else { return parts }
            lower = upper
        }
        if let lower, let upper = page.upper, !Self.less(lower, upper) { return parts }
        parts.append(part(of: page, from: lower, to: page.upper))
        return parts
    }

    private func part(of page: Span, from lower: String?, to upper: String?) -> Span {
        let start = lower.map { position(of: $0, in: page.entries, afterEqual: true) } ?? 0
        let end = upper.map { position(of: $0, in: page.entries, afterEqual: true) } ?? page.entries.count
        return Span(lower: lower, upper: upper, seen: page.seen, entries: Array(page.entries[start..<end]))
    }

    private mutating func insert(_ piece: Span) {
        let index = spans.firstIndex { span in
            guard let lower = span.lower else { return false }
            guard let pieceLower = piece.lower else { return true }
            return !Self.less(lower, pieceLower)
        }
        spans.insert(piece, at: index ?? spans.count)
    }

    // MARK: This mount's own changes

    /// This mount has stored `entry`.
    mutating func insert(_ entry: Entry) {
        noteChange(of: entry.name, .stored(entry))
        removeEntries(named: entry.name)
        let key = Self.key(of: entry)
        guard let index = span(covering: key) else { return }
        let place = position(of: key, in: spans[index].entries, afterEqual: false)
        spans[index].entries.insert(entry, at: place)
    }

    /// This mount has removed `name`.
    mutating func remove(_ name: FileName) {
        noteChange(of: name, .removed)
        removeEntries(named: name)
    }

    /// Somebody else has changed `name`, in a way that is not known: whoever asks for it next must ask the store.
    mutating func forget(_ name: FileName) {
        noteChange(of: name, .forgotten)
        uncover(name)
    }

    /// The directory is new and empty: all is known.
    mutating func becomeEmpty(at moment: Moment) {
        spans = [Span(lower: nil, upper: nil, seen: moment, entries: [])]
    }

    /// Forgets all that listings have told.
    mutating func forget() {
        spans.removeAll()
    }

    /// Drops spans asked for before `moment`.
    mutating func prune(before moment: Moment) {
        spans.removeAll { $0.seen < moment }
    }

    /// Number of entries held, for the memory's account.
    var count: Int { spans.reduce(0) { $0 + $1.entries.count } }

    // MARK: Order

    /// Where an entry stands in the order of keys.
    static func key(of entry: Entry) -> String { entry.isDirectory ? entry.name.string + "/" : entry.name.string }

    private static func less(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
    private static func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    private static func covers(_ span: Span, _ key: String) -> Bool {
        if let lower = span.lower, !less(lower, key) { return false }
        if let upper = span.upper, less(upper, key) { return false }
        return true
    }

    private func span(covering key: String) -> Int? {
        // Spans are few (one a page), and sorted: find the last whose lower bound lies before the key.
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if let lower = spans[middle].lower, !Self.less(lower, key) { high = middle } else { low = middle + 1 }
        }
        guard low > 0, Self.covers(spans[low - 1], key) else { return nil }
        return low - 1
    }

    private func span(after key: String) -> Int? {
        if let index = span(covering: key) {
            if let upper = spans[index].upper, Self.same(upper, key) {
                return index + 1 < spans.count && spans[index + 1].lower.map { Self.same($0, key) } == true
                    ? index + 1 : nil
            }
            return index
        }
        return spans.firstIndex { $0.lower.map { Self.same($0, key) } == true }
    }

    private func position(of key: String, in entries: [Entry], afterEqual: Bool) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let other = Self.key(of: entries[middle])
            if Self.less(other, key) || (afterEqual && Self.same(other, key)) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private func find(_ key: String, isDirectory: Bool, in index: Int) -> Entry? {
        let entries = spans[index].entries
        let place = position(of: key, in: entries, afterEqual: false)
        guard place < entries.count, Self.same(Self.key(of: entries[place]), key),
            entries[place].isDirectory == isDirectory
        else { return nil }
        return entries[place]
    }

    private mutating func noteChange(of name: FileName, _ change: Change) {
        sequence += 1
        if listingsInFlight > 0 { changedMeanwhile[name] = (sequence, change) }
    }

    /// Cuts the keys of a name out of the spans, and with each what lies between it and the entry before it.
    private mutating func uncover(_ name: FileName) {
        for key in [name.string, name.string + "/"] {
            guard let index = span(covering: key) else { continue }
            let place = position(of: key, in: spans[index].entries, afterEqual: false)
            cut(from: place > 0 ? Self.key(of: spans[index].entries[place - 1]) : spans[index].lower, to: key)
        }
    }

    private mutating func removeEntries(named name: FileName) {
        for (key, isDirectory) in [(name.string, false), (name.string + "/", true)] {
            guard let index = span(covering: key), find(key, isDirectory: isDirectory, in: index) != nil else {
                continue
            }
            spans[index].entries.remove(at: position(of: key, in: spans[index].entries, afterEqual: false))
        }
    }

    private mutating func cut(from lower: String?, to upper: String?) {
        var kept: [Span] = []
        for span in spans {
            // The piece before the new span.
            if let lower, span.lower.map({ Self.less($0, lower) }) ?? true {
                var left = span
                if span.upper.map({ Self.less(lower, $0) }) ?? true {
                    left.upper = lower
                    left.entries = Array(left.entries.prefix { !Self.less(lower, Self.key(of: $0)) })
                }
                kept.append(left)
            }
            // The piece behind it.
            if let upper, span.upper.map({ Self.less(upper, $0) }) ?? true {
                var right = span
                if span.lower.map({ Self.less($0, upper) }) ?? true {
                    right.lower = upper
                    right.entries = Array(right.entries.drop { !Self.less(upper, Self.key(of: $0)) })
                }
                kept.append(right)
            }
        }
        spans = kept
    }
}
