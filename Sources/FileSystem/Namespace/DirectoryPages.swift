/// The entries that an open directory has been given, page by page, of which those that the reader has left behind are let go.
///
/// **Problem.** A reader's place must hold whatever happens to the directory: an entry that stays is given exactly once, also after
/// `seekdir`(3) to any place that `telldir` told. Yet a listing of a million names must not be held whole for that.
///
/// **Design.** A place is a number: entries count from 0 in the order in which they were given, and keep their numbers. Only the
/// pages near the reader are held. Of a page that was let go its bounds in the order of keys remain, and 8 bytes an entry, a mark
/// made of its key. Who goes back there has the stretch listed again (``restore(_:with:)``): entries that are still there get their
/// numbers back by their marks, others that came meanwhile are left out, which readdir(3) leaves open.
///
/// **Limits.** 8 MB of marks remain of a million entries. Two keys of one mark are possible and as likely as a random 64-bit number is
/// guessed.
struct DirectoryPages: Sendable {
    /// A stretch of the listing.
    struct Page: Sendable {
        /// Everything after this key, which itself is not of the page; nil from the beginning.
        var lower: String?
        /// Up to this key, which is of the page; nil to the end.
        var upper: String?
        /// The number of its first entry.
        var first: Int
        /// How many entries it was given with.
        var count: Int
        /// The entries, where they are held.
        fileprivate(set) var content: Content

        /// What is held of a page.
        enum Content: Sendable {
            /// All of it.
            case held(PackedEntries)
            /// Those entries that were still there, and the place in the page that each had; and the marks of all.
            case restored(PackedEntries, places: [Int], marks: [UInt64])
            /// The marks of its entries.
            case released(marks: [UInt64])
        }

        /// The bytes of memory that it takes, about.
        var byteCount: Int {
            let bounds = 128 + (lower?.utf8.count ?? 0) + (upper?.utf8.count ?? 0)
            return switch content {
            case .held(let entries): bounds + entries.byteCount
            case .restored(let entries, let places, let marks):
                bounds + entries.byteCount + 8 * (places.count + marks.count)
            case .released(let marks): bounds + 8 * marks.count
            }
        }

        /// Whether its entries are held.
        var isHeld: Bool { if case .released = content { false } else { true } }
    }

    /// An entry, or how far there is none.
    enum Found: Sendable, Equatable {
        /// The next entry, and its number.
        case entry(KnownEntries.Entry, number: Int)
        /// The next one lies on this page, which was let go.
        case released(page: Int)
        /// No more has been given so far.
        case end
    }

    private(set) var pages: [Page] = []
    /// The number that the next entry gets.
    private(set) var count = 0
    /// The bytes of memory that the pages take, about.
    private(set) var byteCount = 0
    /// The pages before this one were let go.
    private var firstHeld = 0
    /// But these of them were restored.
    private var restored: [Int] = []

    // MARK: Asking

    /// The first entry from `number` on.
    func next(from number: Int) -> Found {
        var index = page(of: number)
        while index < pages.count {
            let page = pages[index]
            switch page.content {
            case .held(let entries):
                let place = Swift.max(0, number - page.first)
                if place < entries.count { return .entry(entries[place], number: page.first + place) }
            case .restored(let entries, let places, _):
                let wanted = max(0, number - page.first)
                if let place = places.firstIndex(where: { $0 >= wanted }) {
                    return .entry(entries[place], number: page.first + places[place])
                }
            case .released: return .released(page: index)
            }
            index += 1
        }
        return .end
    }

    /// Whether the listing has shown a file of that name.
    func contains(file name: FileName) -> Bool {
        let key = name.string
        var low = 0
        var high = pages.count
        while low < high {
            let middle = (low + high) / 2
            let isBefore = pages[middle].upper.map { $0.utf8.lexicographicallyPrecedes(key.utf8) } ?? false
            if isBefore { low = middle + 1 } else { high = middle }
        }
        guard low < pages.count else { return false }
        switch pages[low].content {
        case .held(let entries):
            let place = entries.position(of: key, afterEqual: false)
            return place < entries.count && entries.hasKey(key, at: place)
        case .restored(let entries, _, _):
            let place = entries.position(of: key, afterEqual: false)
            return place < entries.count && entries.hasKey(key, at: place)
        case .released(let marks): return marks.contains(Self.mark(of: key))
        }
    }

    /// The first page that ends behind `number`.
    private func page(of number: Int) -> Int {
        var low = 0
        var high = pages.count
        while low < high {
            let middle = (low + high) / 2
            if pages[middle].first + pages[middle].count <= number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Changing

    /// Adds the next page, in the order of keys.
    mutating func append(_ entries: PackedEntries, after lower: String?, to upper: String?) {
        let page = Page(lower: lower, upper: upper, first: count, count: entries.count, content: .held(entries))
        pages.append(page)
        count += entries.count
        byteCount += page.byteCount
    }

    /// Lets the pages go that end more than `kept` pages before the one that `number` is on.
    mutating func release(before number: Int, keeping kept: Int) {
        let page = page(of: number)
        for index in restored where index + kept < page || index > page { release(page: index) }
        restored.removeAll { !pages[$0].isHeld }
        guard page - kept > firstHeld else { return }
        for index in firstHeld..<page - kept { release(page: index) }
        firstHeld = page - kept
    }

    private mutating func release(page index: Int) {
        byteCount -= pages[index].byteCount
        switch pages[index].content {
        case .held(let entries):
            pages[index].content = .released(marks: entries.map { Self.mark(of: KnownEntries.key(of: $0)) })
        case .restored(_, _, let marks): pages[index].content = .released(marks: marks)
        case .released: break
        }
        byteCount += pages[index].byteCount
    }

    /// Whether the first page is let go: a reader who begins anew had better see the directory anew.
    var hasReleasedBeginning: Bool { pages.first.map { !$0.isHeld } ?? false }

    /// Takes in what a new listing of a page's stretch shows.
    mutating func restore(_ index: Int, with entries: [KnownEntries.Entry]) {
        guard case .released(let marks) = pages[index].content else { return }
        let places = Dictionary(marks.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var kept: [(place: Int, entry: KnownEntries.Entry)] = []
        for entry in entries {
            if let place = places[Self.mark(of: KnownEntries.key(of: entry))] { kept.append((place, entry)) }
        }
        kept.sort { $0.place < $1.place }
        byteCount -= pages[index].byteCount
        pages[index].content = .restored(PackedEntries(kept.map(\.entry)), places: kept.map(\.place), marks: marks)
        restored.append(index)
        byteCount += pages[index].byteCount
    }

    /// An entry's mark: its key's hash, of a seed that nobody outside this process knows.
    private static func mark(of key: String) -> UInt64 {
        var key = key
        var hasher = Hasher()
        key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
