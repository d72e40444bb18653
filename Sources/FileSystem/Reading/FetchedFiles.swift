internal import Logging
internal import ObjectStore
import Synchronization

/// Small files that were fetched whole before anybody opened them: their bytes, until a reader of exactly that version takes
/// them over.
///
/// **Problem.** What is fetched ahead may never be read, or be another version by then; and it must not take memory from those
/// who know what they want.
///
/// **Design.** A fetch is one GET with `If-Match` of what the listing told. Its memory is reserved in the budget beforehand, out of
/// what is free there and never more than `limit` in all; the first of the budget's reclaimers takes it back, also from under
/// a fetch that is on its way. Bytes are kept by key and given out, once, for the very ETag and size that they came with
/// (promise 3). Whatever this mount changes drops them (see ``ChangeNotingStore``). What nobody has asked for is dropped
/// ``lifetime`` seconds after its fetch began.
///
/// Requests: one GET a fetch. Copies: one, from the HTTP library's buffer into memory that the reader then takes over.
///
/// With a disk cache of blocks, a fetch of bytes alone is a range like any other, answered from the disk where they are there. One
/// for the headers too asks the store for the whole object, and what passes is kept.
final class FetchedFiles: Sendable {
    /// How long bytes wait for a reader, in seconds.
    static let lifetime: Double = 30

    /// Whether a version's bytes can be had.
    enum Claim {
        /// They are the caller's now.
        case here(ReservedSlab)
        /// Wait for them by ``settled(_:)``.
        case underWay
        /// Ask the store.
        case none
    }

    private struct Fetch {
        let id: UInt64
        let version: ObjectVersion
        let sink: FetchSink
        let began: Moment
        var isHere = false
    }

    private struct State {
        var fetches: [ObjectKey: Fetch] = [:]
        var bytes = 0
        var nextID: UInt64 = 0
        var isSweeping = false
    }

    private let budget: MemoryBudget
    private let limit: Int
    private let clock: FileSystemClock
    private let logger: Logger
    private let count = Atomic<Int>(0)
    private let state = Mutex(State())
    private let flights = SingleFlight<UInt64, Void>()

    /// Nothing fetched yet; at most `limit` bytes of `budget`.
    init(budget: MemoryBudget, limit: Int, clock: FileSystemClock, logger: Logger) {
        self.budget = budget
        self.limit = limit
        self.clock = clock
        self.logger = logger
        budget.addReclaimer { [weak self] wanted in self?.reclaim(wanted) }
    }

    /// Whether there is nothing, and nothing on its way. Takes no lock.
    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    /// How many files wait for a reader, whole.
    var waiting: Int { state.withLock { $0.fetches.values.count { $0.isHere } } }

    /// How many bytes may be fetched now.
    var room: Int64 {
        dropOld()
        let free = budget.limit / 4 * 3 - budget.used
        return Int64(max(0, min(limit - state.withLock { $0.bytes }, free)))
    }

    /// Whether a version's bytes are here or on their way.
    func has(_ version: ObjectVersion) -> Bool {
        state.withLock { $0.fetches[version.key]?.version == version }
    }

    // MARK: Fetching

    /// Begins to fetch a version: one GET, with the object's headers or, from a disk cache maybe, without. Who reads it from now on
    /// finds it under way. Nil, and no request, where there is no memory for it, or it is here or under way already.
    func begin(_ version: ObjectVersion, withHeaders: Bool, from store: any ObjectStore) -> FetchSink? {
        guard version.etag != nil, version.size > 0, let slab = reserve(version) else { return nil }
        let sink = FetchSink(version, into: slab)
        guard let id = admit(version, sink) else { return nil }
        flights.begin(for: id, unless: { false }) { [self] in
            do throws(StoreError) {
                let range = withHeaders ? nil : 0..<version.size
                try await store.get(version.key, range: range, ifMatch: version.etag, into: sink)
            } catch {
                logger.debug("a file was not fetched ahead", metadata: ["error": "\(error)"])
            }
            settle(id, version.key, isHere: sink.isComplete)
            sink.close()
        }
        sweepLater()
        return sink
    }

    private func reserve(_ version: ObjectVersion) -> ReservedSlab? {
        let size = Int(version.size)
        // Only what is free: to ask for more would take it from those who read.
        guard !has(version), budget.used + size <= budget.limit / 4 * 3, budget.tryReserve(size) else { return nil }
        return ReservedSlab(capacity: size, reservedIn: budget)
    }

    private func admit(_ version: ObjectVersion, _ sink: FetchSink) -> UInt64? {
        let began = clock.monotonic()
        let (id, old): (UInt64?, Fetch?) = state.withLock { state in
            let old = state.fetches[version.key]
            let size = Int(version.size)
            guard old?.version != version, state.bytes - Int(old?.version.size ?? 0) + size <= limit else {
                return (nil, nil)
            }
            remove(version.key, &state)
            state.nextID += 1
            state.fetches[version.key] = Fetch(id: state.nextID, version: version, sink: sink, began: began)
            state.bytes += size
            count.add(1, ordering: .relaxed)
            return (state.nextID, old)
        }
        old?.sink.abandon()
        return id
    }

    private func settle(_ id: UInt64, _ key: ObjectKey, isHere: Bool) {
        let failed: Fetch? = state.withLock { state in
            guard state.fetches[key]?.id == id else { return nil }
            if !isHere { return remove(key, &state) }
            state.fetches[key]?.isHere = true
            return nil
        }
        failed?.sink.abandon()
        // Who waits for memory has asked when this was still on its way.
        let shortage = budget.shortage
        if shortage > 0 { reclaim(shortage) }
    }

    // MARK: Taking over

    /// What there is of a version. What is here of another version of the object is of no use to anybody, and dropped.
    func claim(_ version: ObjectVersion) -> Claim {
        let (claim, dropped): (Claim, Fetch?) = state.withLock { state in
            guard let fetch = state.fetches[version.key] else { return (.none, nil) }
            guard fetch.version == version else { return (.none, fetch.isHere ? remove(version.key, &state) : nil) }
            guard fetch.isHere else { return (.underWay, nil) }
            remove(version.key, &state)
            return (fetch.sink.take().map { .here($0) } ?? .none, nil)
        }
        dropped?.sink.abandon()
        return claim
    }

    /// Waits until a version's fetch has come to its end, whatever that is.
    /// - Throws: `CancellationError`.
    func settled(_ version: ObjectVersion) async throws {
        let id = state.withLock { state in
            state.fetches[version.key].flatMap { $0.version == version && !$0.isHere ? $0.id : nil }
        }
        guard let id else { return }
        try await flights.value(for: id, known: { () }) {}
    }

    // MARK: Giving back

    /// Drops what there is of a key, under way or here.
    func drop(_ key: ObjectKey) {
        if isEmpty { return }
        state.withLock { remove(key, &$0) }?.sink.abandon()
    }

    @discardableResult
    private func remove(_ key: ObjectKey, _ state: inout State) -> Fetch? {
        guard let fetch = state.fetches.removeValue(forKey: key) else { return nil }
        state.bytes -= Int(fetch.version.size)
        count.subtract(1, ordering: .relaxed)
        return fetch
    }

    private func reclaim(_ wanted: Int) {
        if isEmpty { return }
        let dropped: [Fetch] = state.withLock { state in
            var dropped: [Fetch] = []
            var size = 0
            // The oldest first: the walk may have passed them over.
            for fetch in state.fetches.values.sorted(by: { $0.id < $1.id }) where size < wanted {
                size += Int(fetch.version.size)
                remove(fetch.version.key, &state)
                dropped.append(fetch)
            }
            return dropped
        }
        for fetch in dropped { fetch.sink.abandon() }
    }

    private func dropOld() {
        if isEmpty { return }
        let old = clock.monotonic().earlier(by: Self.lifetime)
        let dropped: [Fetch] = state.withLock { state in
            let keys = state.fetches.values.filter { $0.began <= old }.map(\.version.key)
            return keys.compactMap { remove($0, &state) }
        }
        for fetch in dropped { fetch.sink.abandon() }
    }

    /// Sees to it that a mount nobody uses any more gives back what it fetched last.
    private func sweepLater() {
        let isFirst = state.withLock { state in
            defer { state.isSweeping = true }
            return !state.isSweeping
        }
        guard isFirst else { return }
        Task { [weak self] in
            while true {
                try? await Task.sleep(for: .seconds(Self.lifetime / 2))
                guard let self, self.sweep() else { return }
            }
        }
    }

    /// Drops what is old, and says whether something is left.
    private func sweep() -> Bool {
        dropOld()
        return state.withLock { state in
            state.isSweeping = !state.fetches.isEmpty
            return state.isSweeping
        }
    }
}
