internal import DequeModule
internal import ObjectStore

/// Which pending intents may be uploaded now: the order that keeps the bucket right at every instant.
///
/// **Problem.** Intents run in parallel, and yet: an object's versions follow one another; a copy reads its source before
/// anything changes that; the old name of a rename goes only when the new one stands; a directory appears before and
/// vanishes after what is in it.
///
/// **Design.** A pure value. When an intent is added, it waits for the unfinished ones that
/// - write a key which it reads or writes,
/// - read, or guard, a key which it writes (an intent *guards* a key whose content it carries on: the new name of a renamed
///   file guards the old one),
/// - put the marker of a directory that it puts something into; or delete something in the directory whose marker it deletes.
///
/// An intent that takes another's place (``replace(_:_:)``) has that one's number: whoever waited for the old one waits for
/// the new one. That must not close a circle, which ``canReplace(_:_:)`` tells before.
///
/// **Limits.** A few sets an intent in memory; adding one costs a look-up for each component of its key.
struct DrainSchedule: Sendable {
    /// What an intent does to keys.
    struct Footprint: Sendable, Equatable {
        var writes: ObjectKey
        var isDelete: Bool
        var reads: Set<ObjectKey> = []
        var guards: Set<ObjectKey> = []
    }

    /// Where an intent stands.
    enum Phase: Sendable, Equatable {
        /// Not durable yet.
        case recording
        /// May run once what it waits for is done.
        case waiting
        /// A mutation is about to take its place; it does not run meanwhile.
        case claimed
        /// Being uploaded.
        case running
        /// Has failed, and waits for its next attempt.
        case resting
    }

    private struct Node: Sendable {
        var footprint: Footprint
        var phase: Phase
        var waits: Set<Int64>
        var dependents: Set<Int64> = []
    }

    private var nodes: [Int64: Node] = [:]
    private var writers: [ObjectKey: Set<Int64>] = [:]
    /// Who reads or guards a key.
    private var readers: [ObjectKey: Set<Int64>] = [:]
    private var deletesBelow: [ObjectKey: Set<Int64>] = [:]
    private var ready: Set<Int64> = []
    /// Those of `ready` in the order in which they became so, and some that are not ready any more.
    private var queue = Deque<Int64>()

    /// How many are being uploaded.
    private(set) var running = 0

    /// How many are not finished.
    var count: Int { nodes.count }

    /// All that are not finished.
    var unsettled: [Int64] { Array(nodes.keys) }

    /// Where an intent stands; nil for one that is finished.
    func phase(_ id: Int64) -> Phase? { nodes[id]?.phase }

    /// What an intent waits for.
    func waits(_ id: Int64) -> Set<Int64> { nodes[id]?.waits ?? [] }

    /// Who waits for an intent.
    func dependents(_ id: Int64) -> Set<Int64> { nodes[id]?.dependents ?? [] }

    /// The unfinished intents that write a key or read it.
    func touching(_ key: ObjectKey) -> Set<Int64> { (writers[key] ?? []).union(readers[key] ?? []) }

    /// The markers of the directories that a key is in, the nearest last.
    static func markers(above key: ObjectKey) -> [ObjectKey] {
        var result: [ObjectKey] = []
        let bytes = key.string.utf8
        var index = bytes.startIndex
        while let slash = bytes[index...].firstIndex(of: UInt8(ascii: "/")) {
            index = bytes.index(after: slash)
            if index == bytes.endIndex { break }
            result.append(ObjectKey(String(key.string[..<index])))
        }
        return result
    }

    /// What an intent of this footprint would wait for if it were added now.
    func predecessors(of footprint: Footprint) -> Set<Int64> {
        var result = touching(footprint.writes)
        for key in footprint.reads { result.formUnion(writers[key] ?? []) }
        if footprint.isDelete {
            if footprint.writes.isDirectoryMarker { result.formUnion(deletesBelow[footprint.writes] ?? []) }
        } else {
            for marker in Self.markers(above: footprint.writes) {
                for id in writers[marker] ?? [] where nodes[id]?.footprint.isDelete == false { result.insert(id) }
            }
        }
        return result
    }

    /// Adds an intent that is being recorded.
    mutating func add(_ id: Int64, _ footprint: Footprint) {
        insert(id, footprint, waits: predecessors(of: footprint), phase: .recording)
    }

    /// Adds the intents that an earlier process has left, each with what it waited for then.
    mutating func restore(_ intents: [(id: Int64, footprint: Footprint, waits: Set<Int64>)]) {
        let all = Set(intents.map(\.id))
        for intent in intents {
            insert(intent.id, intent.footprint, waits: intent.waits.intersection(all), phase: .waiting)
        }
        for intent in intents {
            for other in waits(intent.id) { nodes[other]?.dependents.insert(intent.id) }
            refresh(intent.id)
        }
    }

    private mutating func insert(_ id: Int64, _ footprint: Footprint, waits: Set<Int64>, phase: Phase) {
        nodes[id] = Node(footprint: footprint, phase: phase, waits: waits)
        for other in waits { nodes[other]?.dependents.insert(id) }
        index(id, footprint)
    }

    private mutating func index(_ id: Int64, _ footprint: Footprint) {
        writers[footprint.writes, default: []].insert(id)
        for key in footprint.reads.union(footprint.guards) { readers[key, default: []].insert(id) }
        if footprint.isDelete {
            for marker in Self.markers(above: footprint.writes) { deletesBelow[marker, default: []].insert(id) }
        }
    }

    private mutating func unindex(_ id: Int64, _ footprint: Footprint) {
        Self.remove(id, footprint.writes, from: &writers)
        for key in footprint.reads.union(footprint.guards) { Self.remove(id, key, from: &readers) }
        if footprint.isDelete {
            for marker in Self.markers(above: footprint.writes) { Self.remove(id, marker, from: &deletesBelow) }
        }
    }

    private static func remove(_ id: Int64, _ key: ObjectKey, from index: inout [ObjectKey: Set<Int64>]) {
        index[key]?.remove(id)
        if index[key]?.isEmpty == true { index[key] = nil }
    }

    /// The intent is durable: it may run when its turn comes.
    mutating func recorded(_ id: Int64) {
        nodes[id]?.phase = .waiting
        refresh(id)
    }

    /// Keeps a waiting or resting intent from running, for somebody who may take its place. False where it runs already.
    mutating func claim(_ id: Int64) -> Bool {
        guard let phase = nodes[id]?.phase, phase == .waiting || phase == .resting else { return false }
        nodes[id]?.phase = .claimed
        ready.remove(id)
        return true
    }

    /// Lets a claimed intent go on.
    mutating func unclaim(_ id: Int64) {
        guard nodes[id]?.phase == .claimed else { return }
        nodes[id]?.phase = .waiting
        refresh(id)
    }

    /// Whether an intent of this footprint may take the place of `id` without that anybody waits for himself.
    func canReplace(_ id: Int64, _ footprint: Footprint) -> Bool {
        var open = predecessors(of: footprint).subtracting([id])
        var seen = open
        while let next = open.popFirst() {
            if next == id { return false }
            for other in nodes[next]?.waits ?? [] where seen.insert(other).inserted { open.insert(other) }
        }
        return true
    }

    /// What an intent would wait for after it took the place of `id`.
    func waitsAfterReplacing(_ id: Int64, _ footprint: Footprint) -> Set<Int64> {
        waits(id).union(predecessors(of: footprint)).subtracting([id])
    }

    /// Puts another intent in the place of a claimed one, under its number; it may run when its turn comes. What it is to
    /// wait for was asked when ``canReplace(_:_:)`` was: who came later may wait for this one.
    mutating func replace(_ id: Int64, _ footprint: Footprint, waits planned: Set<Int64>) {
        guard let old = nodes[id] else { return }
        let waits = planned.filter { nodes[$0] != nil }
        for other in waits { nodes[other]?.dependents.insert(id) }
        unindex(id, old.footprint)
        index(id, footprint)
        nodes[id]?.footprint = footprint
        nodes[id]?.waits = waits
        nodes[id]?.phase = .waiting
        refresh(id)
    }

    /// The next intent to run, which counts as running from now on; nil where none may run.
    mutating func next(limit: Int) -> Int64? {
        guard running < limit else { return nil }
        while let id = queue.popFirst() {
            guard ready.remove(id) != nil else { continue }
            nodes[id]?.phase = .running
            running += 1
            return id
        }
        return nil
    }

    /// A running intent has failed and rests until ``wake(_:)``.
    mutating func rest(_ id: Int64) {
        guard nodes[id]?.phase == .running else { return }
        running -= 1
        nodes[id]?.phase = .resting
    }

    /// The rest is over.
    mutating func wake(_ id: Int64) {
        guard nodes[id]?.phase == .resting else { return }
        nodes[id]?.phase = .waiting
        refresh(id)
    }

    /// The intent is done, or is dropped: those that waited for it go on.
    mutating func finished(_ id: Int64) {
        guard let node = nodes.removeValue(forKey: id) else { return }
        if node.phase == .running { running -= 1 }
        ready.remove(id)
        unindex(id, node.footprint)
        for other in node.waits { nodes[other]?.dependents.remove(id) }
        for other in node.dependents {
            nodes[other]?.waits.remove(id)
            refresh(other)
        }
    }

    private mutating func refresh(_ id: Int64) {
        guard let node = nodes[id], node.phase == .waiting, node.waits.isEmpty else { return }
        if ready.insert(id).inserted { queue.append(id) }
    }
}
