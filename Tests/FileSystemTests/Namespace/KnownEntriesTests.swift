import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// What listings have told of a directory, in single cases and at random against a bucket with a history.
@Suite struct KnownEntriesTests {
    typealias Entry = KnownEntries.Entry
    typealias Span = KnownEntries.Span

    static func name(_ text: String) -> FileName { FileName(text)! }

    static func file(_ name: String, size: Int64 = 1) -> Entry {
        Entry(
            name: Self.name(name),
            object: .init(size: size, etag: ETag("e\(size)"), lastModified: Timestamp(seconds: size)))
    }

    static func directory(_ name: String) -> Entry { Entry(name: Self.name(name), object: nil) }

    static func at(_ time: Int64) -> Moment { Moment(nanoseconds: time) }

    /// Takes a page in at once.
    static func apply(
        _ known: inout KnownEntries, after lower: String? = nil, to upper: String? = nil, at time: Int64,
        _ entries: [Entry]
    ) {
        let begun = known.beginListing()
        known.apply(Span(lower: lower, upper: upper, seen: at(time), entries: entries), begun: begun)
    }

    @Test func nothingIsKnownAtFirst() {
        let known = KnownEntries()
        #expect(known.knowledge(of: Self.name("a")) == .unknown)
        #expect(known.all(since: Self.at(0)) == nil)
        #expect(known.entries(after: "", limit: 10).isEmpty)
        #expect(known.count == 0)
    }

    @Test func aNewDirectoryIsKnownToBeEmpty() {
        var known = KnownEntries()
        known.becomeEmpty(at: Self.at(5))
        #expect(known.knowledge(of: Self.name("a")) == .absent(seen: Self.at(5)))
        #expect(known.all(since: Self.at(5)) == [])
        #expect(known.all(since: Self.at(6)) == nil)
    }

    @Test func aPageIsCompleteBetweenItsEnds() {
        var known = KnownEntries()
        Self.apply(&known, after: "b", to: "m", at: 7, [Self.file("c"), Self.directory("d"), Self.file("m")])
        #expect(known.knowledge(of: Self.name("c")) == .present(Self.file("c"), seen: Self.at(7)))
        #expect(known.knowledge(of: Self.name("d")) == .present(Self.directory("d"), seen: Self.at(7)))
        #expect(known.knowledge(of: Self.name("m")) == .present(Self.file("m"), seen: Self.at(7)))
        #expect(known.knowledge(of: Self.name("e")) == .absent(seen: Self.at(7)))
        // The lower end is not covered; and nothing is known past the upper one.
        #expect(known.knowledge(of: Self.name("b")) == .unknown)
        #expect(known.knowledge(of: Self.name("a")) == .unknown)
        #expect(known.knowledge(of: Self.name("n")) == .unknown)
    }

    /// Keys that begin with a character below `/` lie between the file `a` and the directory `a/`.
    @Test func aNameIsAbsentOnlyWhereBothItsKeysAreCovered() {
        var known = KnownEntries()
        Self.apply(&known, to: "a-x", at: 1, [Self.file("a!"), Self.file("a-x")])
        #expect(known.knowledge(of: Self.name("a")) == .unknown)
        #expect(known.knowledge(of: Self.name("a!")) == .present(Self.file("a!"), seen: Self.at(1)))
        Self.apply(&known, after: "a-x", to: "b", at: 2, [Self.directory("a"), Self.file("b")])
        #expect(known.knowledge(of: Self.name("a")) == .present(Self.directory("a"), seen: Self.at(2)))
        #expect(known.knowledge(of: Self.name("a0")) == .absent(seen: Self.at(2)))
        // `a#` and `a#/` lie in the first span: its age counts.
        #expect(known.knowledge(of: Self.name("a#")) == .absent(seen: Self.at(1)))
    }

    @Test func absenceIsAsOldAsItsOlderSpan() {
        var known = KnownEntries()
        Self.apply(&known, to: "a.", at: 9, [Self.file("a.")])
        Self.apply(&known, after: "a.", at: 3, [])
        #expect(known.knowledge(of: Self.name("a")) == .absent(seen: Self.at(3)))
    }

    @Test func pagesJoinToTheWhole() {
        var known = KnownEntries()
        Self.apply(&known, to: "b", at: 1, [Self.file("a"), Self.file("b")])
        #expect(known.all(since: Self.at(0)) == nil)
        Self.apply(&known, after: "b", at: 2, [Self.file("c")])
        #expect(known.all(since: Self.at(1)) == [Self.file("a"), Self.file("b"), Self.file("c")])
        #expect(known.all(since: Self.at(2)) == nil)
        known.dropSpans(notUsedSince: known.spans[0].use.last)
        #expect(known.byteCount == known.spans[0].byteCount)
        #expect(known.all(since: Self.at(0)) == nil)
        #expect(known.knowledge(of: Self.name("a")) == .unknown)
        #expect(known.knowledge(of: Self.name("c")) == .present(Self.file("c"), seen: Self.at(2)))
        // What was looked into last goes last.
        known.dropSpans(notUsedSince: .max)
        #expect(known.byteCount == 0)
    }

    @Test func aGapEndsTheEntries() {
        var known = KnownEntries()
        Self.apply(&known, to: "b", at: 1, [Self.file("a"), Self.file("b")])
        Self.apply(&known, after: "c", at: 1, [Self.file("d"), Self.file("e")])
        #expect(known.entries(after: "", limit: 10) == [Self.file("a"), Self.file("b")])
        #expect(known.entries(after: "a", limit: 10) == [Self.file("b")])
        #expect(known.entries(after: "b", limit: 10).isEmpty)
        #expect(known.entries(after: "c", limit: 1) == [Self.file("d")])
        #expect(known.entries(after: "d", limit: 9) == [Self.file("e")])
        #expect(known.entries(after: "e", limit: 9).isEmpty)
    }

    @Test func aNewerPageCutsTheOlderOnes() {
        var known = KnownEntries()
        Self.apply(&known, at: 1, ["a", "b", "c", "d", "e"].map { Self.file($0) })
        Self.apply(&known, after: "b", to: "d", at: 2, [Self.file("c", size: 9), Self.file("d", size: 9)])
        #expect(known.spans.count == 3)
        let sizes = known.all(since: Self.at(1))?.map(\.object!.size)
        #expect(sizes == [1, 1, 9, 9, 1])
        #expect(known.knowledge(of: Self.name("b")) == .present(Self.file("b"), seen: Self.at(1)))
        #expect(known.knowledge(of: Self.name("d")) == .present(Self.file("d", size: 9), seen: Self.at(2)))
    }

    @Test func ownChangesAreKnownAtOnce() {
        var known = KnownEntries()
        Self.apply(&known, at: 1, [Self.file("b")])
        known.insert(Self.file("a", size: 5))
        known.insert(Self.directory("b"))
        #expect(known.all(since: Self.at(1)) == [Self.file("a", size: 5), Self.directory("b")])
        known.remove(Self.name("b"))
        #expect(known.all(since: Self.at(1)) == [Self.file("a", size: 5)])
        #expect(known.knowledge(of: Self.name("b")) == .absent(seen: Self.at(1)))
    }

    /// A listing that was on its way when this mount removed a name still shows it.
    @Test func aLateListingDoesNotBringBackWhatIsRemoved() {
        var known = KnownEntries()
        let begun = known.beginListing()
        known.remove(Self.name("a"))
        known.apply(
            Span(lower: nil, upper: nil, seen: Self.at(1), entries: [Self.file("a"), Self.file("b")]), begun: begun)
        #expect(known.knowledge(of: Self.name("a")) == .absent(seen: Self.at(1)))
        #expect(known.knowledge(of: Self.name("b")) == .present(Self.file("b"), seen: Self.at(1)))
    }

    /// The first listing of a directory is on its way when this mount stores a file: nothing covered the name before.
    @Test(arguments: [false, true]) func aLateListingDoesNotHideWhatIsStored(showsIt: Bool) {
        var known = KnownEntries()
        let begun = known.beginListing()
        known.insert(Self.file("a", size: 2))
        let entries = (showsIt ? [Self.file("a", size: 1)] : []) + [Self.file("b")]
        known.apply(Span(lower: nil, upper: nil, seen: Self.at(1), entries: entries), begun: begun)
        #expect(known.knowledge(of: Self.name("a")) == .present(Self.file("a", size: 2), seen: Self.at(1)))
        #expect(known.all(since: Self.at(1)) == [Self.file("a", size: 2), Self.file("b")])
    }

    @Test func aListingBegunAfterAChangeIsBelieved() {
        var known = KnownEntries()
        let early = known.beginListing()
        known.insert(Self.file("a", size: 2))
        let late = known.beginListing()
        // Another host has replaced it before the second listing came.
        known.apply(Span(lower: nil, upper: nil, seen: Self.at(2), entries: [Self.file("a", size: 3)]), begun: late)
        #expect(known.knowledge(of: Self.name("a")) == .present(Self.file("a", size: 3), seen: Self.at(2)))
        known.endListing()
        #expect(early < late)
    }

    /// Two listings overtake each other: the one asked for later is believed, whichever comes last.
    @Test func anOlderPageFillsOnlyTheGaps() {
        var known = KnownEntries()
        Self.apply(&known, after: "b", to: "d", at: 5, [Self.file("d", size: 9)])
        Self.apply(&known, after: "f", to: "h", at: 1, [])
        Self.apply(&known, at: 3, ["a", "b", "c", "d", "e", "g", "z"].map { Self.file($0) })
        #expect(known.knowledge(of: Self.name("c")) == .absent(seen: Self.at(5)))
        #expect(known.knowledge(of: Self.name("d")) == .present(Self.file("d", size: 9), seen: Self.at(5)))
        #expect(known.knowledge(of: Self.name("b")) == .present(Self.file("b"), seen: Self.at(3)))
        #expect(known.knowledge(of: Self.name("g")) == .present(Self.file("g"), seen: Self.at(3)))
        #expect(known.all(since: Self.at(3))?.map(\.name.string) == ["a", "b", "d", "e", "g", "z"])
        #expect(known.all(since: Self.at(4)) == nil)
    }

    @Test func anOlderPageWithinANewerSpanTellsNothing() {
        var known = KnownEntries()
        Self.apply(&known, at: 5, [Self.file("a")])
        Self.apply(&known, after: "0", to: "b", at: 3, [Self.file("a", size: 7), Self.file("b")])
        #expect(known.all(since: Self.at(5)) == [Self.file("a")])
        // Of two asked for in the same moment the last to come counts.
        Self.apply(&known, after: "0", to: "b", at: 5, [Self.file("a", size: 8), Self.file("b")])
        #expect(known.all(since: Self.at(5)) == [Self.file("a", size: 8), Self.file("b")])
    }

    /// Nothing is known of a forgotten name, whatever listings on their way tell of it; its neighbours stay.
    @Test func aForgottenNameIsUnknown() {
        var known = KnownEntries()
        let begun = known.beginListing()
        known.insert(Self.file("b", size: 2))
        Self.apply(&known, at: 1, [Self.file("a"), Self.file("c")])
        known.forget(Self.name("b"))
        let others = known.entries(after: "b/", limit: 5)
        #expect(others == [Self.file("c")])
        #expect(known.knowledge(of: Self.name("b")) == .unknown)
        known.apply(
            Span(lower: nil, upper: nil, seen: Self.at(1), entries: ["a", "b", "c"].map { Self.file($0) }),
            begun: begun)
        #expect(known.knowledge(of: Self.name("b")) == .unknown)
        #expect(known.knowledge(of: Self.name("a")) == .present(Self.file("a"), seen: Self.at(1)))
        #expect(known.knowledge(of: Self.name("c")) == .present(Self.file("c"), seen: Self.at(1)))
        #expect(known.knowledge(of: Self.name("d")) == .absent(seen: Self.at(1)))
        #expect(known.all(since: Self.at(0)) == nil)
        // What is stored or listed after that is known again.
        Self.apply(&known, at: 2, [Self.file("b", size: 7)])
        #expect(known.all(since: Self.at(2)) == [Self.file("b", size: 7)])
    }

    @Test func aFailedListingChangesNothing() {
        var known = KnownEntries()
        Self.apply(&known, at: 1, [Self.file("a")])
        _ = known.beginListing()
        known.remove(Self.name("a"))
        known.endListing()
        #expect(known.all(since: Self.at(1)) == [])
        // And what was changed during it no longer matters to the next.
        Self.apply(&known, at: 3, [Self.file("a")])
        #expect(known.knowledge(of: Self.name("a")) == .present(Self.file("a"), seen: Self.at(3)))
    }

    /// `é` in one code point and in two are two names.
    @Test func namesAreToldApartByTheirBytes() {
        var known = KnownEntries()
        Self.apply(&known, at: 1, [Self.file("e\u{301}")])
        #expect(known.knowledge(of: Self.name("\u{E9}")) == .absent(seen: Self.at(1)))
        #expect(known.knowledge(of: Self.name("e\u{301}")) == .present(Self.file("e\u{301}"), seen: Self.at(1)))
    }

    // MARK: At random

    /// With the changes of this mount alone, what is known is never wrong; with those of other hosts as well, it is what was
    /// true at some time since it was asked for, and this mount's own last word is never taken back.
    @Test(arguments: 1...100) func agreesWithTheBucket(seed: UInt64) {
        var run = KnownEntriesRun(seed: seed, hasOthers: seed % 2 == 0)
        for step in 0..<150 {
            run.step()
            if let difference = run.check() {
                Issue.record("seed \(seed), step \(step): \(difference)")
                return
            }
        }
    }
}

/// A directory on a bucket with its history, and what is known of it.
private struct KnownEntriesRun {
    typealias Entry = KnownEntries.Entry

    struct Listing {
        var begun: UInt64
        var seen: Moment
        /// The page, once the bucket has made it.
        var span: KnownEntries.Span?
        var lower: String?
        var limit: Int
    }

    static let names = ["a", "a!", "a-", "a.b", "a0", "ab", "b", "b!x", "ba", "\u{E9}", "e\u{301}", "z"]
        .map { FileName($0)! }

    var random: SplitMix64
    let hasOthers: Bool
    var now: Int64 = 1
    var known = KnownEntries()
    /// Each name's changes: when, and to what.
    var history: [FileName: [(time: Int64, entry: Entry?)]] = [:]
    /// Changes of this mount that the bucket has taken and that are still to be noted.
    var pending: [FileName: Entry?] = [:]
    /// When this mount learned that the bucket had taken a change: later than it was made, and then told as known.
    var noted: [FileName: [(time: Int64, entry: Entry?)]] = [:]
    /// Names whose last change was this mount's.
    var isOwn: Set<FileName> = []
    var listings: [Listing] = []

    init(seed: UInt64, hasOthers: Bool) {
        random = SplitMix64(seed: seed)
        self.hasOthers = hasOthers
        for name in Self.names { history[name] = [(0, Bool.random(using: &random) ? entry(name) : nil)] }
    }

    mutating func entry(_ name: FileName) -> Entry {
        if Int.random(in: 0..<3, using: &random) == 0 { return Entry(name: name, object: nil) }
        let size = Int64.random(in: 0..<1_000_000, using: &random)
        return Entry(
            name: name, object: .init(size: size, etag: ETag("\(size)"), lastModified: Timestamp(seconds: now)))
    }

    func present(_ name: FileName) -> Entry? { history[name]!.last!.entry }

    var bucket: [Entry] {
        Self.names.compactMap { present($0) }.sorted { a, b in
            KnownEntries.key(of: a).utf8.lexicographicallyPrecedes(KnownEntries.key(of: b).utf8)
        }
    }

    func after(_ lower: String?) -> [Entry] {
        guard let lower else { return bucket }
        return bucket.filter { lower.utf8.lexicographicallyPrecedes(KnownEntries.key(of: $0).utf8) }
    }

    mutating func anyKey() -> String {
        let name = Self.names.randomElement(using: &random)!.string
        return name + ["", "/", "\u{10FFFD}"].randomElement(using: &random)!
    }

    mutating func step() {
        now += 1
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: changeHere()
        case 25..<45: notePending()
        case 45..<50: if hasOthers { changeElsewhere() }
        case 50..<65:
            let lower = Bool.random(using: &random) ? nil : anyKey()
            listings.append(
                .init(
                    begun: known.beginListing(), seen: Moment(nanoseconds: now), lower: lower,
                    limit: Int.random(in: 0...8, using: &random)))
        case 65..<80: answer()
        case 80..<96: arrive()
        case 96..<98:
            known.dropSpans(
                notUsedSince: known.spans.map(\.use.last).sorted().dropFirst(known.spans.count / 2).first ?? 0)
        case 98: known.forget(Self.names.randomElement(using: &random)!)
        default: if Int.random(in: 0..<4, using: &random) == 0 { known.forget() }
        }
    }

    mutating func changeHere() {
        let name = Self.names.randomElement(using: &random)!
        guard pending[name] == nil else { return }
        let new = Bool.random(using: &random) ? entry(name) : nil
        history[name]!.append((now, new))
        pending[name] = .some(new)
        isOwn.remove(name)
        if Bool.random(using: &random) { note(name) }
    }

    mutating func notePending() {
        if let name = pending.keys.sorted().randomElement(using: &random) { note(name) }
    }

    mutating func note(_ name: FileName) {
        guard let change = pending.removeValue(forKey: name) else { return }
        if let change { known.insert(change) } else { known.remove(name) }
        noted[name, default: []].append((now, change))
        // Another host may have come between.
        if history[name]!.last!.entry == change { isOwn.insert(name) }
    }

    mutating func changeElsewhere() {
        let name = Self.names.randomElement(using: &random)!
        history[name]!.append((now, Bool.random(using: &random) ? entry(name) : nil))
        isOwn.remove(name)
    }

    /// The bucket makes the page of a listing that it was asked for.
    mutating func answer() {
        guard let index = listings.indices.filter({ listings[$0].span == nil }).randomElement(using: &random) else {
            return
        }
        let listing = listings[index]
        let all = after(listing.lower)
        let page = Array(all.prefix(listing.limit))
        let isLast = page.count == all.count
        if !isLast, page.isEmpty {
            known.endListing()
            listings.remove(at: index)
            return
        }
        listings[index].span = .init(
            lower: listing.lower, upper: isLast ? nil : KnownEntries.key(of: page.last!), seen: listing.seen,
            entries: page)
    }

    mutating func arrive() {
        guard let index = listings.indices.filter({ listings[$0].span != nil }).randomElement(using: &random) else {
            return
        }
        let listing = listings.remove(at: index)
        if Int.random(in: 0..<8, using: &random) == 0 {
            known.endListing()
        } else {
            known.apply(listing.span!, begun: listing.begun)
        }
    }

    // MARK: What must hold

    func check() -> String? {
        for (one, next) in zip(known.spans, known.spans.dropFirst()) {
            guard let upper = one.upper, let lower = next.lower, !lower.utf8.lexicographicallyPrecedes(upper.utf8)
            else {
                return "spans overlap: \(known.spans)"
            }
        }
        for name in Self.names where pending[name] == nil {
            if let difference = check(name) { return difference }
        }
        guard !hasOthers, pending.isEmpty else { return nil }
        if let all = known.all(since: Moment(nanoseconds: 0)), all != bucket { return "all: \(all), not \(bucket)" }
        for start in [""] + Self.names.flatMap({ [$0.string, $0.string + "/"] }) {
            for limit in [1, 3, 100] {
                let found = known.entries(after: start, limit: limit)
                if found != Array(after(start).prefix(found.count)) || found.count > limit {
                    return "entries after \(start): \(found), not \(after(start))"
                }
            }
        }
        return nil
    }

    func check(_ name: FileName) -> String? {
        let told: Entry?
        let seen: Moment
        switch known.knowledge(of: name) {
        case .unknown: return nil
        case .present(let entry, let moment): (told, seen) = (entry, moment)
        case .absent(let moment): (told, seen) = (nil, moment)
        }
        if !hasOthers || isOwn.contains(name) {
            return told == present(name)
                ? nil : "\(name) is \(String(describing: present(name))), known as \(String(describing: told))"
        }
        let changes = history[name]!
        // What held at the moment of asking, and all that came later.
        let from = changes.lastIndex { $0.time <= seen.nanoseconds } ?? 0
        let isTold = noted[name]?.contains { $0.time >= seen.nanoseconds && $0.entry == told } ?? false
        // A name that turns from a directory into a file between the pages of its two keys is in neither page.
        let types = Set(changes[from...].compactMap { $0.entry?.isDirectory })
        if told == nil, types.count == 2 { return nil }
        return isTold || changes[from...].contains { $0.entry == told }
            ? nil : "\(name) was never \(String(describing: told)) since \(seen)"
    }
}

extension KnownEntries {
    /// All entries, where the spans cover the whole directory and none was asked for before `moment`; nil otherwise.
    fileprivate func all(since moment: Moment) -> [Entry]? { whole(since: moment).map { $0.flatMap(\.entries) } }
}
