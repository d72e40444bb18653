internal import ObjectStore
import Synchronization

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
/// it) but no longer believed. Spans that nobody looked into for long are dropped where memory is short.
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
        var entries: PackedEntries
        /// When it was last of use.
        let use = SpanUse()

        /// A stretch of the given bounds and entries.
        init(lower: String?, upper: String?, seen: Moment, entries: PackedEntries) {
            self.lower = lower
            self.upper = upper
            self.seen = seen
            self.entries = entries
        }

        /// The same, of entries in key order.
        init(lower: String?, upper: String?, seen: Moment, entries: [Entry]) {
            self.init(lower: lower, upper: upper, seen: seen, entries: PackedEntries(entries))
        }

        /// The bytes of memory that it takes, about.
        var byteCount: Int { 192 + (lower?.utf8.count ?? 0) + (upper?.utf8.count ?? 0) + entries.byteCount }
    }

    /// A span of more entries than this is kept in halves: what an insert moves stays small.
    private static let largestSpan = 2048

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
    /// The bytes of memory that the spans take, about.
    private(set) var byteCount = 0
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

    /// Whether there is a directory of the name, a file of the same name or not, or that is not known.
    func mayHaveDirectory(_ name: FileName) -> Bool {
        let key = name.string + "/"
        guard let index = span(covering: key) else { return true }
        return find(key, isDirectory: true, in: index) != nil
    }

    /// Up to `limit` entries after `key`, as far as the spans reach without a gap.
    func entries(after key: String, limit: Int) -> [Entry] {
        var key = key
        var found: [Entry] = []
        while found.count < limit, let index = span(after: key) {
            let span = spans[index]
            let start = span.entries.position(of: key, afterEqual: true)
            let end = min(span.entries.count, start + limit - found.count)
            for place in start..<end { found.append(span.entries[place]) }
            guard let upper = span.upper else { break }
            key = upper
        }
        return found
    }

    /// All spans, where they cover the whole directory and none was asked for before `moment`; nil otherwise.
    func whole(since moment: Moment) -> [Span]? {
        guard let first = spans.first, first.lower == nil, first.seen >= moment else { return nil }
        var upper = first.upper
        for span in spans.dropFirst() {
            guard let reached = upper, let lower = span.lower, Self.same(reached, lower), span.seen >= moment else {
                return nil
            }
            upper = span.upper
        }
        return upper == nil ? spans : nil
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

    /// Takes in a page of a listing that has ended since (``endListing()``): unless this mount has changed something here after it was
    /// begun at `start`. What it told is then unknown, which is never wrong.
    mutating func applyLate(_ page: Span, begun start: UInt64) {
        guard sequence == start else { return }
        apply(page, begun: beginListing())
    }

    /// Takes in a page that was begun at `start` and asked for at `seen`.
    mutating func apply(_ page: Span, begun start: UInt64) {
        var page = page
        let local = changedMeanwhile.filter { $0.value.sequence > start }
        if !local.isEmpty {
            for (name, change) in local {
                for key in [name.string, name.string + "/"] {
                    let place = page.entries.position(of: key, afterEqual: false)
                    if place < page.entries.count, page.entries.hasKey(key, at: place) {
                        page.entries.remove(at: place)
                    }
                }
                let entry: Entry? =
                    switch (knowledge(of: name), change.change) {
                    case (.present(let entry, _), _): entry
                    // No span covered the name when it was stored.
                    case (.unknown, .stored(let entry)): entry
                    case (.absent, _), (.unknown, _): nil
                    }
                guard let entry, Self.covers(page, Self.key(of: entry)) else { continue }
                page.entries.insert(entry, at: page.entries.position(of: Self.key(of: entry), afterEqual: false))
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
        let start = lower.map { page.entries.position(of: $0, afterEqual: true) } ?? 0
        let end = upper.map { page.entries.position(of: $0, afterEqual: true) } ?? page.entries.count
        var part = page
        part.lower = lower
        part.upper = upper
        part.entries = page.entries.part(start..<end)
        return part
    }

    private mutating func insert(_ piece: Span) {
        let index = spans.firstIndex { span in
            guard let lower = span.lower else { return false }
            guard let pieceLower = piece.lower else { return true }
            return !Self.less(lower, pieceLower)
        }
        spans.insert(piece, at: index ?? spans.count)
        piece.use.note()
        byteCount += piece.byteCount
    }

    // MARK: This mount's own changes

    /// This mount has stored `entry`.
    mutating func insert(_ entry: Entry) {
        noteChange(of: entry.name, .stored(entry))
        removeEntries(named: entry.name)
        let key = Self.key(of: entry)
        guard let index = span(covering: key) else { return }
        byteCount -= spans[index].byteCount
        spans[index].entries.insert(entry, at: spans[index].entries.position(of: key, afterEqual: false))
        byteCount += spans[index].byteCount
        spans[index].use.note()
        if spans[index].entries.count > Self.largestSpan { halve(index) }
    }

    private mutating func halve(_ index: Int) {
        let span = spans[index]
        let middle = Self.key(of: span.entries[span.entries.count / 2])
        spans[index] = part(of: span, from: span.lower, to: middle)
        spans.insert(part(of: span, from: middle, to: span.upper), at: index + 1)
        spans[index].use.note()
        spans[index + 1].use.note()
        byteCount += spans[index].byteCount + spans[index + 1].byteCount - span.byteCount
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
        spans = []
        byteCount = 0
        insert(Span(lower: nil, upper: nil, seen: moment, entries: PackedEntries()))
    }

    /// Forgets all that listings have told.
    mutating func forget() {
        spans.removeAll()
        byteCount = 0
    }

    /// Drops spans that were last of use at `tick` or before. What they told is then unknown, which is never wrong.
    mutating func dropSpans(notUsedSince tick: UInt64) {
        spans.removeAll { $0.use.last <= tick }
        byteCount = spans.reduce(0) { $0 + $1.byteCount }
    }

    /// Number of entries held.
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

    private func find(_ key: String, isDirectory: Bool, in index: Int) -> Entry? {
        let entries = spans[index].entries
        spans[index].use.note()
        let place = entries.position(of: key, afterEqual: false)
        guard place < entries.count, entries.hasKey(key, at: place) else { return nil }
        let entry = entries[place]
        return entry.isDirectory == isDirectory ? entry : nil
    }

    private mutating func noteChange(of name: FileName, _ change: Change) {
        sequence += 1
        if listingsInFlight > 0 { changedMeanwhile[name] = (sequence, change) }
    }

    /// Cuts the keys of a name out of the spans, and with each what lies between it and the entry before it.
    private mutating func uncover(_ name: FileName) {
        for key in [name.string, name.string + "/"] {
            guard let index = span(covering: key) else { continue }
            let place = spans[index].entries.position(of: key, afterEqual: false)
            cut(from: place > 0 ? Self.key(of: spans[index].entries[place - 1]) : spans[index].lower, to: key)
        }
    }

    private mutating func removeEntries(named name: FileName) {
        for (key, isDirectory) in [(name.string, false), (name.string + "/", true)] {
            guard let index = span(covering: key), find(key, isDirectory: isDirectory, in: index) != nil else {
                continue
            }
            byteCount -= spans[index].byteCount
            spans[index].entries.remove(at: spans[index].entries.position(of: key, afterEqual: false))
            byteCount += spans[index].byteCount
        }
    }

    private mutating func cut(from lower: String?, to upper: String?) {
        var kept: [Span] = []
        for span in spans {
            // The piece before the new span.
            if let lower, span.lower.map({ Self.less($0, lower) }) ?? true {
                let isCut = span.upper.map { Self.less(lower, $0) } ?? true
                kept.append(isCut ? part(of: span, from: span.lower, to: lower) : span)
            }
            // The piece behind it.
            if let upper, span.upper.map({ Self.less(upper, $0) }) ?? true {
                let isCut = span.lower.map { Self.less($0, upper) } ?? true
                kept.append(isCut ? part(of: span, from: upper, to: span.upper) : span)
            }
        }
        spans = kept
        byteCount = spans.reduce(0) { $0 + $1.byteCount }
    }
}

/// When a span was last of use: told by whoever looks into it, without changing what is known.
///
/// A tick counts uses of all spans of the process, so that spans of different directories can be set in order.
final class SpanUse: Sendable {
    private static let ticks = Atomic<UInt64>(0)
    private let tick = Atomic<UInt64>(0)

    /// The span is of use now.
    func note() { tick.store(Self.ticks.add(1, ordering: .relaxed).newValue, ordering: .relaxed) }

    /// When it last was.
    var last: UInt64 { tick.load(ordering: .relaxed) }
}
