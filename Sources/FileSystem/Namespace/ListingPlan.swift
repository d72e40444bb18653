internal import ObjectStore

/// Says which LIST requests of a directory to send at once, and puts their pages in order.
///
/// **Problem.** A page of a listing says where the next one begins, so a directory of a hundred thousand entries is a hundred round
/// trips, one behind the other. A store lists from any key on (`start-after`), but nobody knows which keys there are.
///
/// **Design.** A pure value. The directory is a row of *stretches*, each listed page by page from its lower bound to the next one's. It
/// begins with one, and stays with it for two pages: so small directories cost what they must. Then, as far as the reader's hunger
/// allows (`window`), the front's way is cut at guesses (``KeyInterpolation``) and each new stretch listed from its bound on. Pages are
/// handed out from the front alone, so that the reader gets what one chain would give him. A guess that is wrong costs a request.
///
/// Where a stretch meets the next one, the first key behind the bound must be the one that the next one began with, and until that is
/// seen its last page waits. So no guess, no change made elsewhere in between and no order of keys that is the store's own leaves an
/// entry out: where two stretches disagree, all but the front are dropped and its chain goes on as if there had been no other.
///
/// **Limits.** The first page of a stretch overlaps the last one of the stretch before, by half a page on average.
struct ListingPlan: Sendable {
    /// The most streams at once.
    static let mostStreams = 8

    /// A page to ask for.
    struct Request: Sendable, Equatable {
        /// To be given back with the answer.
        var id: Int
        /// Where the page begins, below the directory; of a stretch's first page.
        var startAfter: String?
        /// Where the page begins, of a later one.
        var continuation: ListContinuation?
        /// What the page's span begins behind.
        var lower: String?
    }

    /// What a request has brought.
    struct Page: Sendable {
        /// The request's number.
        var id: Int
        /// Its entries, and what they cover.
        var span: KnownEntries.Span
        /// What ``KnownEntries/beginListing()`` gave before it was asked for.
        var begun: UInt64
        /// Whether its span says what it covers: not where a page without any key begins the listing.
        var isBounded = true
        /// The bound of the next stretch, where the page reaches behind it: to be cut there.
        fileprivate var cut: String?
    }

    /// What a store does that keeps several streams from working.
    enum Oddity: Sendable, Equatable {
        /// Its pages hold keys at or before `start-after`.
        case ignoresStart
        /// Streams disagree: its order of keys is another, or somebody has changed something just there.
        case disagrees
    }

    private struct Stretch {
        var id: Int
        var lower: String?
        /// The last key listed.
        var reached: String?
        /// The first one.
        var first: String?
        var next: ListContinuation?
        var pagesListed = 0
        var isUnderWay = false
        var end = End.open
        var pages: [Page] = []
        /// Directories that lie behind what the pages cover.
        var rest: [KnownEntries.Entry] = []
        var scale: KeyInterpolation?

        enum End: Equatable {
            /// More is to be listed.
            case open
            /// The store has no more.
            case atEnd
            /// It has met the next stretch, which must begin with this key.
            case met(String)
        }

        /// Puts what pages before have left over into the span that covers it, and keeps what this one leaves over.
        mutating func takeRest(into span: inout KnownEntries.Span, _ more: [KnownEntries.Entry]) {
            if rest.isEmpty {
                rest = more
                return
            }
            var entries = Array(span.entries) + rest + more
            entries.sort { less(KnownEntries.key(of: $0), KnownEntries.key(of: $1)) }
            rest = []
            if let upper = span.upper {
                let covered = entries.partition { less(upper, KnownEntries.key(of: $0)) }
                rest = entries[covered...].sorted { less(KnownEntries.key(of: $0), KnownEntries.key(of: $1)) }
                entries = entries[..<covered].sorted { less(KnownEntries.key(of: $0), KnownEntries.key(of: $1)) }
            }
            span.entries = PackedEntries(entries)
        }

        /// Whether a directory's name lies before a bound, and its key behind it.
        func hasRest(before bound: String, _ span: KnownEntries.Span) -> Bool {
            let start = span.entries.position(of: bound, afterEqual: true)
            let behind = (start..<span.entries.count).map { span.entries[$0] } + rest
            return behind.contains { $0.isDirectory && less($0.name.string, bound) }
        }

        /// Behind what its next new page begins.
        var position: String? { reached ?? lower }
    }

    /// How many keys a page has that is not the last one.
    private(set) var pageSize = 1000
    private let streams: Int
    private var stretches: [Stretch]
    private var nextID = 1
    private var pagesListed = 0
    private var isOneChain: Bool
    /// Why it went back to one chain.
    private(set) var oddity: Oddity?
    /// All has been handed out.
    private(set) var isComplete = false
    /// The bytes of memory that pages take which are not handed out, about.
    var byteCount: Int { stretches.reduce(0) { $0 + $1.pages.reduce(0) { $0 + $1.span.byteCount } } }

    /// A listing from the beginning, by at most so many streams.
    init(streams: Int = 1) {
        self.streams = min(streams, Self.mostStreams)
        isOneChain = streams < 2
        stretches = [Stretch(id: 0)]
    }

    // MARK: Asking

    /// Pages that are listed or being listed and not handed out.
    private var pagesAhead: Int { stretches.reduce(0) { $0 + $1.pages.count + ($1.isUnderWay ? 1 : 0) } }
    private var underWay: Int { stretches.count { $0.isUnderWay } }

    /// The request that the next page to be handed out waits for; nil where none is under way.
    var awaited: Int? {
        guard let front = stretches.first else { return nil }
        if front.isUnderWay { return front.id }
        guard stretches.count > 1, stretches[1].isUnderWay else { return nil }
        return stretches[1].id
    }

    /// The requests to send now.
    /// - Parameters:
    ///   - unread: pages that were handed out and not read yet.
    ///   - window: how many pages may be ahead of the reader. One is always sent for a reader who has none.
    mutating func requests(unread: Int, window: Int) -> [Request] {
        var requests: [Request] = []
        let free = { (plan: borrowing ListingPlan) in unread + plan.pagesAhead < window }
        if let front = stretches.first, front.end == .open, !front.isUnderWay, unread == 0 || free(self) {
            requests.append(send(0))
        }
        if isOneChain { return requests }
        for index in stretches.indices.dropFirst() where underWay < streams && free(self) {
            if stretches[index].end == .open, !stretches[index].isUnderWay { requests.append(send(index)) }
        }
        guard pagesListed >= 2 else { return requests }
        let width = max(1, window / streams)
        while underWay < streams, free(self), let index = split(width: width) { requests.append(send(index)) }
        return requests
    }

    private mutating func send(_ index: Int) -> Request {
        stretches[index].isUnderWay = true
        let stretch = stretches[index]
        return Request(
            id: stretch.id, startAfter: stretch.next == nil ? stretch.lower : nil, continuation: stretch.next,
            lower: stretch.position)
    }

    /// Cuts a stretch in two, and returns the index of the new one: that of the most that is to be listed between two bounds; where
    /// that is little, the last one, so many pages behind what it has.
    private mutating func split(width: Int) -> Int? {
        var best: (index: Int, count: Int)?
        for index in stretches.indices.dropLast() {
            let stretch = stretches[index]
            guard stretch.end == .open, let scale = stretch.scale, let position = stretch.position,
                let bound = stretches[index + 1].lower
            else { continue }
            let count = scale.count(from: position, to: bound)
            if count > (best?.count ?? 3 * pageSize) { best = (index, count) }
        }
        if let best, let text = middle(of: best.index) { return insert(text, behind: best.index) }
        let last = stretches.count - 1
        guard stretches[last].end == .open, let scale = stretches[last].scale, let position = stretches[last].position
        else { return nil }
        // A little less than whole pages: what is left over would cost one more.
        let entries = (width + (stretches[last].isUnderWay ? 0 : 1)) * pageSize * 31 / 32
        guard let text = scale.text(entries: entries, behind: position), less(position, text) else { return nil }
        return insert(text, behind: last)
    }

    private func middle(of index: Int) -> String? {
        guard let scale = stretches[index].scale, let position = stretches[index].position,
            let bound = stretches[index + 1].lower, let text = scale.text(between: position, and: bound),
            less(position, text), less(text, bound)
        else { return nil }
        return text
    }

    private mutating func insert(_ text: String, behind index: Int) -> Int {
        stretches.insert(Stretch(id: nextID, lower: text, scale: stretches[index].scale), at: index + 1)
        nextID += 1
        return index + 1
    }

    // MARK: Answers

    /// A page has come. Its span begins at the request's `lower`.
    /// - Returns: whether it is of use.
    mutating func arrived(_ id: Int, _ listed: ListedPage, next: ListContinuation?, begun: UInt64) -> Bool {
        guard let index = stretches.firstIndex(where: { $0.id == id && $0.isUnderWay }) else { return false }
        stretches[index].isUnderWay = false
        let keys = listed.keys
        let isFirstPage = stretches[index].pagesListed == 0
        if let position = stretches[index].position, let first = keys.first, !less(position, first) {
            // The chain itself may be in an order of its own: then no bound can be relied on.
            goBack(isFirstPage && index > 0 ? .ignoresStart : .disagrees)
            if index > 0 { return false }
        }
        if pagesListed == 0, next != nil { pageSize = max(1, keys.count) }
        pagesListed += 1
        stretches[index].pagesListed += 1
        if isFirstPage { stretches[index].first = keys.first }
        stretches[index].next = next
        if let scale = Self.scale(of: listed.span.entries) { stretches[index].scale = scale }
        var page = Page(id: id, span: listed.span, begun: begun)
        stretches[index].takeRest(into: &page.span, listed.rest)
        if let upper = page.span.upper, stretches[index].reached.map({ less($0, upper) }) ?? true {
            stretches[index].reached = upper
        }
        if index + 1 < stretches.count, let bound = stretches[index + 1].lower,
            let behind = Self.first(of: keys, behind: bound)
        {
            page.cut = bound
            stretches[index].end = .met(behind)
            // A directory whose name lies before the bound and whose key behind it may be missing in the next stretch.
            if stretches[index].hasRest(before: bound, page.span) { goBack(.disagrees) }
        }
        guard index < stretches.count else { return false }
        if stretches[index].end == .open, next == nil {
            stretches[index].end = .atEnd
            // What another stream may have seen behind it came since.
            stretches.removeSubrange((index + 1)...)
        } else if next != nil, page.span.upper == nil {
            // A page without any key.
            page.span.upper = stretches[index].position
            page.isBounded = page.span.upper != nil
        }
        if stretches[index].end == .open || stretches[index].end == .atEnd { page.cut = nil }
        stretches[index].pages.append(page)
        compare(index)
        if index > 0, index < stretches.count { compare(index - 1) }
        return true
    }

    /// A request has failed. Returns whether the reader waits for it; else it is as if it had never been sent.
    mutating func failed(_ id: Int) -> Bool {
        guard let index = stretches.firstIndex(where: { $0.id == id && $0.isUnderWay }) else { return false }
        if index == 0 {
            stretches[0].isUnderWay = false
            return true
        }
        let isAwaited = awaited == id
        dropBehindFront()
        isOneChain = true
        // Its chain goes on in its place.
        return isAwaited && stretches[0].isUnderWay
    }

    /// Pages that the reader may have now, in order.
    mutating func takePages() -> [Page] {
        var taken: [Page] = []
        while var front = stretches.first {
            while let page = front.pages.first {
                if page.cut != nil, !hasMet(0) { break }
                front.pages.removeFirst()
                taken.append(Self.cut(page))
            }
            stretches[0] = front
            guard front.pages.isEmpty, front.end != .open else { break }
            if front.end == .atEnd {
                isComplete = true
                break
            }
            guard hasMet(0) else { break }
            stretches.removeFirst()
        }
        return taken
    }

    /// Whether a stretch has met the next one and both agree.
    private func hasMet(_ index: Int) -> Bool {
        guard case .met(let key) = stretches[index].end, index + 1 < stretches.count else { return false }
        return stretches[index + 1].first.map { Self.same($0, key) } ?? false
    }

    /// Goes back to one chain where a stretch and the next one disagree.
    private mutating func compare(_ index: Int) {
        guard index + 1 < stretches.count, case .met = stretches[index].end, stretches[index + 1].pagesListed > 0,
            !hasMet(index)
        else { return }
        goBack(.disagrees)
    }

    private mutating func goBack(_ why: Oddity) {
        if oddity == nil, stretches.count > 1 { oddity = why }
        isOneChain = true
        dropBehindFront()
    }

    private mutating func dropBehindFront() {
        stretches.removeSubrange(1...)
        guard case .met = stretches[0].end else { return }
        stretches[0].end = stretches[0].next == nil ? .atEnd : .open
        for index in stretches[0].pages.indices { stretches[0].pages[index].cut = nil }
    }

    // MARK: Keys

    private static func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    private static func first(of keys: [String], behind bound: String) -> String? {
        guard let last = keys.last, less(bound, last) else { return nil }
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if less(bound, keys[middle]) { high = middle } else { low = middle + 1 }
        }
        return keys[low]
    }

    private static func cut(_ page: Page) -> Page {
        guard let bound = page.cut else { return page }
        var page = page
        page.cut = nil
        page.span.upper = bound
        page.span.entries = page.span.entries.part(0..<page.span.entries.position(of: bound, afterEqual: true))
        return page
    }

    private static func scale(of entries: PackedEntries) -> KeyInterpolation? {
        guard entries.count > 1 else { return nil }
        let step = max(1, entries.count / 64)
        var names = stride(from: 0, to: entries.count - 1, by: step).map { entries[$0].name.string }
        names.append(entries[entries.count - 1].name.string)
        return KeyInterpolation(names: names, count: entries.count)
    }
}

private func less(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
