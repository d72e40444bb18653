internal import ObjectStore

/// What is pending, as the mount sees it and as the drain needs it.
///
/// **Problem.** A mutation looks at its conditions, becomes durable, and shows: three moments, between which uploads of other
/// intents end or fail. None of them may get lost on either side.
///
/// **Design.** A pure value, held under one lock. A mutation *plans* (``plan(_:coalesces:)``): its draft lies in
/// `recording`, known to the schedule and to uploads that end meanwhile, and invisible to readers. When its row is durable it
/// is *applied* and shows; when that failed it is taken back. An upload that ends moves the key over to the store's version
/// (``uploaded(_:as:)``) and resolves what others have said of it; the schedule lets those others run only after that is durable
/// too (``settled(_:)``). So what is found after a crash is a state from which every intent can be carried out once more.
///
/// **Limits.** All intents are in memory: some 500 bytes each.
struct PendingTable: Sendable {
    /// What a key holds, as the mount sees it.
    enum View: Sendable {
        /// Nothing is pending: what the store has.
        case stored
        /// A pending object.
        case present(Intent)
        /// A pending delete.
        case deleted(Intent)
    }

    /// How a mutation takes its place among what is pending.
    enum Placement: Sendable, Equatable {
        /// Behind all that is there.
        case append(Int64)
        /// In the place of an intent that has not run, which is claimed for it.
        case replace(Int64, waits: Set<Int64>)
        /// A delete of what the bucket never saw: both go. The intent is claimed.
        case vanish(Int64)
    }

    private(set) var intents: [Int64: Intent] = [:]
    /// Drafts on their way to the disk, and whether their row is in the transaction already.
    private(set) var recording: [Int64: (draft: Intent, isWritten: Bool)] = [:]
    /// The visible intents of each key, the newest last.
    private var chains: [ObjectKey: [Int64]] = [:]
    private(set) var keys = SortedKeys()
    var schedule = DrainSchedule()
    var aliases = AliasTable()
    var etags = ProvisionalETag()
    private var lastID: Int64 = 0

    var isEmpty: Bool { schedule.count == 0 }

    /// What a key holds.
    func view(_ key: ObjectKey) -> View {
        guard let last = chains[key]?.last, let intent = intents[last] else { return .stored }
        return intent.kind == .delete ? .deleted(intent) : .present(intent)
    }

    /// The pieces of an intent's content with what is pending of others put in.
    func flattened(_ pieces: [ContentPiece]) -> [ContentPiece] {
        pieces.flatMap { piece -> [ContentPiece] in
            guard case .pending(let id, _, let range) = piece, let other = intents[id] else { return [piece] }
            return flattened(other.pieces.slice(range))
        }
    }

    // MARK: Loading

    mutating func load(_ found: [Intent]) {
        var waits: [Int64: Set<Int64>] = [:]
        for intent in found {
            intents[intent.id] = intent
            waits[intent.id] = intent.waits
            // A number that some row still names is not given again.
            lastID = max(lastID, intent.id, intent.waits.max() ?? 0, intent.needs.max() ?? 0)
            if case .after(let other) = intent.base { lastID = max(lastID, other) }
        }
        // Of two intents of one key the later one waits for the earlier one; where no row says which that is, the numbers do.
        for (_, chain) in Dictionary(grouping: found, by: \.key) {
            let sorted = chain.sorted { a, b in
                if b.waits.contains(a.id) { return true }
                return a.waits.contains(b.id) ? false : a.id < b.id
            }
            for (earlier, later) in zip(sorted, sorted.dropFirst()) { waits[later.id]?.insert(earlier.id) }
            for intent in sorted { show(intent) }
        }
        schedule.restore(found.map { ($0.id, $0.footprint, waits[$0.id] ?? []) })
    }

    private mutating func show(_ intent: Intent) {
        chains[intent.key, default: []].append(intent.id)
        keys.insert(intent.key)
    }

    private mutating func hide(_ intent: Intent) {
        chains[intent.key]?.removeAll { $0 == intent.id }
        if chains[intent.key]?.isEmpty == true {
            chains[intent.key] = nil
            keys.remove(intent.key)
        }
    }

    // MARK: Mutations

    /// Finds a mutation's place. The caller has the key's lock, so of each key one draft at most is on its way.
    mutating func plan(_ draft: Intent, coalesces: Bool = true) -> Placement {
        var draft = draft
        if coalesces, let last = chains[draft.key]?.last, let old = intents[last], old.kind != .delete,
            !isNeeded(last), !old.isUncertain, schedule.claim(last)
        {
            if draft.kind == .delete, old.base == .presumedAbsent || old.base == .absent {
                // An attempt whose answer was lost may have made it all the same.
                if !old.mayHaveRun { return .vanish(last) }
            }
            let appended = draft
            draft.takeOver(draft.pieces.flatMap { old.content(of: $0) ?? [$0] }, of: old)
            if schedule.canReplace(last, draft.footprint) {
                draft.base = merged(draft, over: old)
                draft.id = last
                draft.mayHaveRun = old.mayHaveRun
                let waits = schedule.waitsAfterReplacing(last, draft.footprint)
                draft.waits = waits
                recording[last] = (draft, false)
                return .replace(last, waits: waits)
            }
            draft = appended
            schedule.unclaim(last)
        }
        lastID += 1
        draft.id = lastID
        schedule.add(lastID, draft.footprint)
        draft.waits = schedule.waits(lastID)
        recording[lastID] = (draft, false)
        return .append(lastID)
    }

    /// Whether somebody else's content rests on an intent.
    private func isNeeded(_ id: Int64) -> Bool {
        schedule.dependents(id).contains { other in
            intents[other]?.needs.contains(id) == true || recording[other]?.draft.needs.contains(id) == true
        }
    }

    /// What must hold of the bucket where the draft takes the place of an intent that has not run.
    private func merged(_ draft: Intent, over old: Intent) -> Intent.Base {
        switch draft.base {
        case .after(old.id): return old.base
        case .none, .presumedAbsent:
            // Who deletes, or makes a directory's marker anew, means whatever is there.
            if draft.kind == .delete || draft.key.isDirectoryMarker { return .none }
            return old.base
        case .absent, .version, .after: return draft.base
        }
    }

    /// The draft on its way to the disk.
    func draft(_ placement: Placement) -> Intent? {
        switch placement {
        case .append(let id), .replace(let id, _): recording[id]?.draft
        case .vanish: nil
        }
    }

    /// The draft as its row shall hold it now; called when the row is written.
    mutating func write(_ id: Int64) -> Intent? {
        guard var draft = recording[id]?.draft else { return nil }
        if schedule.phase(id) == .recording { draft.waits = schedule.waits(id) }
        recording[id] = (draft, true)
        return draft
    }

    /// The row was not written after all.
    mutating func notWritten(_ id: Int64) { recording[id]?.isWritten = false }

    /// The row is durable: the mutation shows. Returns the intent whose place it took.
    mutating func apply(_ placement: Placement) -> Intent? {
        switch placement {
        case .append(let id):
            guard let draft = recording.removeValue(forKey: id)?.draft else { return nil }
            intents[id] = draft
            show(draft)
            schedule.recorded(id)
            return nil
        case .replace(let id, let waits):
            guard let draft = recording.removeValue(forKey: id)?.draft else { return nil }
            let old = intents.updateValue(draft, forKey: id)
            schedule.replace(id, draft.footprint, waits: waits)
            return old
        case .vanish(let id):
            guard let old = intents.removeValue(forKey: id) else { return nil }
            hide(old)
            schedule.finished(id)
            return old
        }
    }

    /// The row could not be written: all is as it was.
    mutating func takeBack(_ placement: Placement) {
        switch placement {
        case .append(let id):
            recording[id] = nil
            schedule.finished(id)
        case .replace(let id, _):
            recording[id] = nil
            schedule.unclaim(id)
        case .vanish(let id):
            schedule.unclaim(id)
        }
    }

    // MARK: The drain

    mutating func update(_ id: Int64, _ change: (inout Intent) -> Void) {
        if var intent = intents[id] {
            change(&intent)
            intents[id] = intent
        }
    }

    /// An intent has taken effect. Returns those whose rows have to be written anew.
    mutating func uploaded(_ id: Int64, as stored: ETag?) -> [Int64] {
        guard let intent = intents.removeValue(forKey: id) else { return [] }
        hide(intent)
        if intent.kind == .delete {
            if chains[intent.key] == nil { aliases.forget(intent.key) }
        } else if let stored {
            aliases.note(intent.key, AliasTable.Alias(told: intent.etag, stored: stored, date: intent.date))
        }
        return resolve(id) { $0.resolve(id, key: intent.key, etag: stored) }
    }

    /// An intent cannot take effect. Returns those whose rows have to be written anew, the deletes that must not run any more,
    /// and the contents that somebody else needs now.
    mutating func abandoned(_ id: Int64) -> (changed: [Int64], dropped: [Intent], shared: [Int64]) {
        guard let intent = intents.removeValue(forKey: id) else { return ([], [], []) }
        hide(intent)
        // A rename's old name stays where its new one has not come to be.
        let sources = intent.footprint.reads.union(intent.guards)
        var dropped: [Intent] = []
        for other in schedule.dependents(id) {
            guard let follower = intents[other], follower.kind == .delete, sources.contains(follower.key),
                follower.key != intent.key
            else { continue }
            intents[other] = nil
            hide(follower)
            dropped.append(follower)
        }
        var shared: [Int64] = []
        let changed = resolve(id) { follower in
            var isChanged = false
            if follower.base == .after(id) {
                // No version in the bucket has such an ETag: its upload ends as this one did, and its content is kept.
                follower.base = .version(intent.etag)
                isChanged = true
            }
            if follower.needs.contains(id) {
                let pieces = follower.pieces.flatMap { piece -> [ContentPiece] in
                    guard let own = intent.content(of: piece) else { return [piece] }
                    shared += own.contents
                    return own
                }
                follower.takeOver(pieces, of: intent)
                isChanged = true
            }
            return isChanged
        }
        return (changed, dropped, shared)
    }

    private mutating func resolve(_ id: Int64, _ body: (inout Intent) -> Bool) -> [Int64] {
        var changed: [Int64] = []
        for other in schedule.dependents(id) {
            if var follower = intents[other], body(&follower) {
                intents[other] = follower
                changed.append(other)
            }
        }
        for (other, entry) in recording {
            var draft = entry.draft
            if body(&draft) {
                recording[other] = (draft, entry.isWritten)
                changed.append(other)
            }
        }
        return changed
    }

    /// What the row of an intent holds now, as far as it has one.
    func row(_ id: Int64) -> Intent? {
        if let entry = recording[id], entry.isWritten { return entry.draft }
        guard var intent = intents[id] else { return nil }
        intent.waits = schedule.waits(id)
        return intent
    }

    /// The end of an intent is durable: those that waited for it may run.
    mutating func settled(_ id: Int64) { schedule.finished(id) }
}
