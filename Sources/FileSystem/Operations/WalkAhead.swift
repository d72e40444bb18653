internal import DequeModule
internal import ObjectStore
import Synchronization

/// What was asked for ahead of a walker: listings of directories and headers of what is in them, by their keys.
///
/// **Problem.** What a walker sees next has no inode yet, so there is no place in the tree for what is known of it.
///
/// **Design.** Listings and headers wait here under keys until somebody opens the directory or looks the name up, for as long as they are
/// fresh by the mount's attribute timeout, counted from the moment their request was sent. Every change that this mount makes of a key
/// drops what waits for it, before its request and behind it (``ChangeNotingStore``), also from requests that are under way: the
/// directory of the key and all above it are not believed, nor the key's headers. So nothing here needs to know what changed.
///
/// How many headers wait at once follows the walker: twice as many for each directory that he takes in time, a quarter where one had
/// grown old.
///
/// **Limits.** ``mostEntries`` entries at once, and ``mostHeads`` headers. It keeps no more than one run below a directory.
final class WalkAhead: Sendable {
    /// Entries of directories that wait.
    static let mostEntries = 4000
    /// Headers that wait or are under way, and how many at first and for a slow walker.
    static let mostHeads = 1024
    static let firstHeads = 256
    static let leastHeads = 32
    /// HEADs at once.
    static let widestHeads = 112

    /// A directory's listing.
    struct Listing: Sendable {
        /// Its entries, in order.
        var entries: PackedEntries
        /// When it was asked for.
        var seen: Moment
    }

    /// Headers, or that there is no object; nil for a request that failed or whose answer is not believed.
    struct Head: Sendable {
        /// The object, nil where there is none.
        var info: ObjectInfo?
        /// When it was asked for.
        var seen: Moment
        /// Whether this machine's disk has it already.
        var isKept: Bool
    }

    /// A listing under way below one directory.
    struct Run: Sendable {
        /// What its keys begin with.
        var prefix: String
        /// Takes the pages apart.
        var listing: SubtreeListing
        /// Where the first page begins.
        var start: String
        /// Where the next page begins.
        var next: ListContinuation?
        /// Whether HEADs are sent for what is found.
        var wantsHeads: Bool
        /// A LIST is under way.
        var isUnderWay = false
        /// No page is left, or none is wanted.
        var isOver = false
        /// When it last asked for a page.
        var seen: Moment
        /// Directories that this mount has changed since it began.
        var changed: Set<String> = []
    }

    private enum HeadState {
        case here(Head)
        case coming(Task<Head?, Never>)
    }

    private struct State {
        var listings: [String: Listing] = [:]
        var entries = 0
        var heads: [ObjectKey: HeadState] = [:]
        var waiting = Deque<ObjectKey>()
        var headLimit = WalkAhead.firstHeads
        var ask: (@Sendable (ObjectKey) async -> Head?)?
        var headsUnderWay = 0
        var runs: [String: Run] = [:]

        /// The bytes of memory that it takes, about.
        var byteCount: Int { 96 * entries + InodeBound.bytesAhead * heads.count + 64 * waiting.count }
    }

    private let state = Mutex(State())
    private let count = Atomic<Int>(0)
    private let use: MetadataUse

    private let freshSince: @Sendable () -> Moment

    /// Nothing yet. Its memory is counted by `use`; what was asked for before `freshSince` is of no use.
    init(use: MetadataUse, freshSince: @escaping @Sendable () -> Moment) {
        self.use = use
        self.freshSince = freshSince
    }

    /// Whether nothing waits and nothing is under way. Takes no lock.
    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    private func withState<T>(_ body: (inout State) -> T) -> T {
        state.withLock { state in
            let before = state.byteCount
            let result = body(&state)
            use.addAhead(state.byteCount - before)
            count.store(
                state.listings.count + state.heads.count + state.waiting.count + state.runs.count, ordering: .relaxed)
            return result
        }
    }

    // MARK: Runs

    /// Begins a run below a directory, unless one is under way there: ``nextPage()`` tells its first page.
    func begin(_ prefix: String, after start: String, wantsHeads: Bool, at now: Moment) {
        let fresh = freshSince()
        withState { state in
            // One that is over because the listing ended has found all there is behind its beginning.
            if let run = state.runs[prefix], run.isUnderWay || (run.seen >= fresh && !run.listing.isBroken) { return }
            Self.dropOld(&state, fresh)
            // Whoever walks elsewhere by now has no use for it.
            if state.runs.count >= 4 { state.runs.removeAll() }
            state.runs[prefix] = Run(
                prefix: prefix, listing: SubtreeListing(prefix: prefix, after: start), start: start,
                wantsHeads: wantsHeads, seen: now)
        }
    }

    /// A page to ask for now, of any run: it counts as under way from here on.
    func nextPage(at now: Moment) -> Run? {
        if isEmpty { return nil }
        return withState { state in
            guard state.entries < Self.mostEntries / 2 else { return nil }
            for (prefix, run) in state.runs where !run.isUnderWay && !run.isOver {
                state.runs[prefix]?.isUnderWay = true
                state.runs[prefix]?.seen = now
                return run
            }
            return nil
        }
    }

    /// A page has come. Returns the directories that are whole with it and were not changed here.
    func take(_ page: ListPage, of prefix: String, seen: Moment) -> [SubtreeListing.Directory] {
        withState { state in
            guard var run = state.runs[prefix] else { return [] }
            let found = run.listing.take(page, seen: seen)
            run.next = page.next
            run.isUnderWay = false
            run.isOver = run.listing.isBroken || page.next == nil
            state.runs[prefix] = run
            let believed = found.filter { !run.changed.contains($0.prefix) }
            for directory in believed { Self.put(directory, &state) }
            return believed
        }
    }

    private static func put(_ directory: SubtreeListing.Directory, _ state: inout State) {
        remove(directory.prefix, &state)
        // Far beyond what a walker can see in time.
        guard state.entries < 4 * mostEntries else { return }
        state.listings[directory.prefix] = Listing(entries: PackedEntries(directory.entries), seen: directory.seen)
        state.entries += directory.entries.count
    }

    private static func remove(_ prefix: String, _ state: inout State) {
        guard let old = state.listings.removeValue(forKey: prefix) else { return }
        state.entries -= old.entries.count
    }

    /// A page did not come: the walker goes on without.
    func failed(_ prefix: String) {
        withState { $0.runs[prefix] = nil }
    }

    // MARK: Listings

    /// The listing of a directory, if it waits and is fresh. It waits no more.
    func takeListing(_ prefix: String) -> Listing? {
        if isEmpty { return nil }
        let fresh = freshSince()
        return withState { state in
            guard let listing = state.listings[prefix] else { return nil }
            Self.remove(prefix, &state)
            if listing.seen >= fresh {
                state.headLimit = min(Self.mostHeads, 2 * state.headLimit)
                Self.pump(self, &state)
                return listing
            }
            // The walker is slower than thought: what else waits is as old.
            state.headLimit = max(Self.leastHeads, state.headLimit / 4)
            Self.dropOld(&state, fresh)
            state.runs.removeAll()
            return nil
        }
    }

    private static func dropOld(_ state: inout State, _ fresh: Moment) {
        state.listings = state.listings.filter { $0.value.seen >= fresh }
        state.entries = state.listings.values.reduce(0) { $0 + $1.entries.count }
        state.heads = state.heads.filter {
            if case .here(let head) = $0.value { head.seen >= fresh } else { true }
        }
        state.waiting.removeAll()
    }

    // MARK: Headers

    /// Headers that somebody will ask for: some that are known, and keys for which `ask` asks the store.
    func expect(
        known: [ObjectKey: Head], asking keys: [ObjectKey], _ ask: @escaping @Sendable (ObjectKey) async -> Head?
    ) {
        withState { state in
            for (key, head) in known where state.heads.count < 4 * Self.mostHeads { state.heads[key] = .here(head) }
            state.waiting += keys.prefix(max(0, 4 * Self.mostHeads - state.waiting.count))
            state.ask = ask
            Self.pump(self, &state)
        }
    }

    /// Sends HEADs for what waits to be asked for, as many as may be under way.
    private static func pump(_ ahead: WalkAhead, _ state: inout State) {
        guard let ask = state.ask else { return }
        while state.headsUnderWay < widestHeads, state.heads.count < state.headLimit, let key = state.waiting.popFirst()
        {
            guard state.heads[key] == nil else { continue }
            state.headsUnderWay += 1
            state.heads[key] = .coming(
                Task { [ahead] in
                    let head = await ask(key)
                    ahead.arrived(key, head)
                    return head
                })
        }
    }

    private func arrived(_ key: ObjectKey, _ head: Head?) {
        withState { state in
            state.headsUnderWay -= 1
            // It may have been taken, or dropped, while it was under way.
            if case .coming = state.heads[key] { state.heads[key] = head.map { .here($0) } }
            Self.pump(self, &state)
        }
    }

    /// Whether headers of a key wait or are under way.
    func expects(_ key: ObjectKey) -> Bool { state.withLock { $0.heads[key] != nil } }

    /// The headers of a key, if they wait or are under way. They wait no more.
    func takeHead(_ key: ObjectKey) async -> Head? {
        if isEmpty { return nil }
        let found: HeadState? = withState { state in
            defer { Self.pump(self, &state) }
            return state.heads.removeValue(forKey: key)
        }
        switch found {
        case nil: return nil
        case .here(let head): return head
        case .coming(let task): return await task.value
        }
    }

    /// Headers had grown old when they were asked for: the walker, or the store, is slower than thought.
    func expired() {
        let fresh = freshSince()
        withState { state in
            state.headLimit = max(Self.leastHeads, state.headLimit / 4)
            state.heads = state.heads.filter {
                if case .here(let head) = $0.value { head.seen >= fresh } else { true }
            }
        }
    }

    // MARK: Changes

    /// This mount changes a key, or has changed it.
    func drop(_ key: ObjectKey) {
        if isEmpty { return }
        withState { state in
            state.heads[key] = nil
            state.waiting.removeAll { $0 == key }
            // The directory itself by its marker, the one it is in, and all above, which it may imply.
            var path = Substring(key.string)
            while true {
                if path.utf8.last == UInt8(ascii: "/") { note(String(path), &state) }
                guard let slash = path.utf8.dropLast().lastIndex(of: UInt8(ascii: "/")) else { break }
                path = path[...slash]
            }
        }
    }

    private func note(_ prefix: String, _ state: inout State) {
        Self.remove(prefix, &state)
        for run in state.runs.keys where prefix.utf8.starts(with: run.utf8) {
            state.runs[run]?.changed.insert(prefix)
            if state.runs[run]?.changed.count ?? 0 > 4096 { state.runs[run] = nil }
        }
    }

    /// Forgets all.
    func dropAll() {
        withState { state in
            var empty = State()
            empty.headsUnderWay = state.headsUnderWay
            state = empty
        }
    }
}
