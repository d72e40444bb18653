/// The tree of inodes that the kernel, or an open file, remembers: names, parents, lookup counts.
///
/// **Problem.** The kernel speaks in inode numbers and the bucket in keys. A key follows from the names on the way up to
/// the root, and those change by renames while files are open.
///
/// **Design.** A value without I/O, held under one lock that is never kept over a wait. An inode's own state (attributes,
/// content) lives in ``Inode`` under a lock of its own; the order is namespace before inode, never the other way. A node
/// stays while the kernel counts lookups of it, while it has children here, or while its inode is busy (open, or not yet
/// stored); an unlinked one has no parent any more and stays for its open handles alone.
///
/// **Limits.** Memory grows with what the kernel remembers; it is asked to forget what is too much, see ``InodeBound``.
struct Namespace: Sendable {
    /// An inode's place in the tree.
    struct Node: Sendable {
        /// The inode.
        let inode: Inode
        /// Where it hangs: nil for the root and for what is unlinked.
        var parent: NodeID?
        /// Its name there.
        var name: FileName?
        /// How often the kernel has looked it up, less its forgets.
        var lookups: UInt64 = 0
        /// What is known of its entries: directories only.
        var directory: Directory?
        /// Its part in the kernel's being asked to forget.
        var bound = InodeBound.Mark()
    }

    /// What is known of a directory's entries.
    ///
    /// A class, although the tree is a value: a directory of a hundred thousand entries must never be copied because somebody
    /// still holds the value that it is being changed in. It is reached only through the tree, under the tree's lock.
    final class Directory: @unchecked Sendable {
        /// The entries that have an inode here.
        var children: [FileName: NodeID] = [:]
        /// What listings have told.
        var known = KnownEntries() { didSet { count() } }
        /// Recognises a walker that stats one entry after the other.
        var walk = AttributeWalk()
        /// Recognises a reader of one small file after the other.
        var files = FileWalk()
        /// Recognises a walker through the directories here.
        var tree = TreeWalk()
        /// The directory here that was opened last.
        var lastOpened: NodeID?
        /// How many names were looked up here.
        var looks = 0
        /// What the read-ahead of attributes found and nobody has asked for yet.
        var prefetched: [FileName: Resolution] = [:] { didSet { count() } }
        /// Takes an answer in for whoever asks next. Where more wait than a walker can ask for before they are too old, the old ones go,
        /// and what is new is not taken.
        func keepPrefetched(_ resolution: Resolution, for name: FileName, fresh: Moment) {
            if prefetched.count >= Self.mostPrefetched {
                // Not at each of them: what is not too old stays for a while.
                guard dropped.map({ $0 < fresh }) ?? true else { return }
                dropped = resolution.seen
                prefetched = prefetched.filter { $0.value.seen >= fresh }
            }
            prefetched[name] = resolution
        }

        /// Four pages of a listing.
        private static let mostPrefetched = 4000
        private var dropped: Moment?
        /// When this mount removed or renamed away a name: answers that were asked for before are not believed.
        var removed: [FileName: Moment] = [:]
        /// When this mount last made a name here that nobody else has: a lock, perhaps. See LockBarrier.swift.
        var barrier: Moment?
        /// How many lookups have missed and had to list; the more, the larger the page that the next one asks for.
        var misses = 0
        /// Where its memory is counted, and what is counted there of it.
        private let use: MetadataUse?
        private var counted = (names: 0, ahead: 0)

        /// What is known at first: nothing.
        init(use: MetadataUse?) { self.use = use }

        deinit {
            use?.addNames(-counted.names)
            use?.addAhead(-counted.ahead)
        }

        private func count() {
            let now = (names: known.byteCount, ahead: prefetched.count * InodeBound.bytesAhead)
            guard now != counted else { return }
            use?.addNames(now.names - counted.names)
            use?.addAhead(now.ahead - counted.ahead)
            counted = now
        }

        /// Questions about names that are under way, and the names that were stored meanwhile: an answer that was asked for before
        /// that is not believed, although no inode may be there to know better.
        private var lookupsUnderWay = 0
        private var storedMeanwhile: [FileName: Moment] = [:]

        /// Somebody is about to ask the store for a name. Followed by ``endLookup()`` once the answer has been taken in.
        func beginLookup() { lookupsUnderWay += 1 }

        /// The answer has been taken in, or there is none.
        func endLookup() {
            lookupsUnderWay -= 1
            if lookupsUnderWay == 0 { storedMeanwhile.removeAll() }
        }

        /// Whether an answer about a name was asked for before this mount stored it.
        func isOutdated(_ resolution: Resolution, for name: FileName) -> Bool {
            storedMeanwhile[name].map { $0 > resolution.seen } ?? false
        }

        /// This mount has stored an object by that name, or changed it.
        func noteStored(_ name: FileName, _ object: KnownEntries.Version?, at moment: Moment) {
            if lookupsUnderWay > 0 { storedMeanwhile[name] = moment }
            known.insert(.init(name: name, object: object))
            prefetched[name] = nil
            removed[name] = nil
        }

        /// This mount has removed the name.
        func noteRemoved(_ name: FileName, at moment: Moment) {
            known.remove(name)
            prefetched[name] = nil
            if removed.count >= 4096 {
                let old = moment.earlier(by: 300)
                removed = removed.filter { $0.value >= old }
            }
            removed[name] = moment
        }

        /// The name is not this mount's any more, but holds what somebody else has stored: nothing is known of it.
        func noteLost(_ name: FileName, at moment: Moment) {
            noteRemoved(name, at: moment)
            known.forget(name)
        }
    }

    private(set) var nodes: [NodeID: Node] = [:]
    private var nextID: UInt64 = NodeID.root.rawValue + 1
    private var numbersInUse: [UInt64: Int] = [:]
    private var movedNumbers = MovedNumbers()
    private var bound = InodeBound()
    private let use: MetadataUse?

    /// A tree of the root alone, its memory counted by `use`.
    init(root: Inode, use: MetadataUse? = nil) {
        self.use = use
        nodes[.root] = Node(inode: root, directory: Directory(use: use))
        numbersInUse[root.number] = 1
    }

    // MARK: Asking

    /// The node of an id that the kernel knows; nil for one it should have forgotten.
    subscript(id: NodeID) -> Node? { nodes[id] }

    /// The entry of that name that has an inode here.
    func child(_ name: FileName, of parent: NodeID) -> Node? {
        nodes[parent]?.directory?.children[name].flatMap { nodes[$0] }
    }

    /// The node's path below the root, without a slash at either end; empty for the root, nil for what is unlinked.
    func path(of id: NodeID) -> String? {
        var names: [FileName] = []
        var id = id
        while id != .root {
            guard let node = nodes[id], let parent = node.parent, let name = node.name else { return nil }
            names.append(name)
            id = parent
        }
        return names.reversed().lazy.map(\.string).joined(separator: "/")
    }

    /// The path of an entry of `parent`, whether it exists or not.
    func path(of name: FileName, in parent: NodeID) -> String? {
        path(of: parent).map { $0.isEmpty ? name.string : $0 + "/" + name.string }
    }

    /// Whether `id` is `ancestor` or lies below it.
    func isBelow(_ id: NodeID, _ ancestor: NodeID) -> Bool {
        var id: NodeID? = id
        while let current = id {
            if current == ancestor { return true }
            id = nodes[current]?.parent
        }
        return false
    }

    /// All nodes at and below `id`, parents before children.
    func subtree(of id: NodeID) -> [Node] {
        var found: [Node] = []
        var next = [id]
        while let id = next.popLast() {
            guard let node = nodes[id] else { continue }
            found.append(node)
            if let directory = node.directory { next.append(contentsOf: directory.children.values) }
        }
        return found
    }

    // MARK: Changing

    /// Numbers for a new inode at `path`: an id never used before, and an inode number that comes out the same whenever the
    /// path is met again, unless another live inode has it; for what was renamed to it the number that it had before.
    mutating func makeNumbers(path: String) -> (id: NodeID, number: UInt64) {
        let id = NodeID(rawValue: nextID)
        nextID += 1
        if let number = movedNumbers.recalled(path), numbersInUse[number] == nil { return (id, number) }
        var number = Self.hash(path)
        while number <= 1 || numbersInUse[number] != nil { number = number &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
        return (id, number)
    }

    /// Hangs a new inode under `parent`, in place of what hung there by that name, which is cut off.
    mutating func insert(_ inode: Inode, as name: FileName, in parent: NodeID) {
        let old = nodes[parent]?.directory?.children[name]
        var node = Node(
            inode: inode, parent: parent, name: name, directory: inode.type == .directory ? Directory(use: use) : nil)
        node.bound = bound.added(inode, named: name)
        use?.addInodes(1, bytes: node.bound.bytes)
        nodes[inode.node] = node
        nodes[parent]?.directory?.children[name] = inode.node
        numbersInUse[inode.number, default: 0] += 1
        // Only now: the old one may have been all that held the parent.
        if let old { detach(old) }
    }

    /// Cuts a node off the tree: unlinked, or replaced by another version. It stays for who holds it.
    mutating func detach(_ id: NodeID) {
        guard let node = nodes[id], let parent = node.parent, let name = node.name else { return }
        if nodes[parent]?.directory?.children[name] == id { nodes[parent]?.directory?.children[name] = nil }
        nodes[id]?.parent = nil
        nodes[id]?.name = nil
        reap(id)
        reap(parent)
    }

    /// Hangs a node elsewhere, in place of what hung there, which is cut off.
    mutating func move(_ id: NodeID, to name: FileName, in parent: NodeID) {
        guard let node = nodes[id], let oldParent = node.parent, let oldName = node.name else { return }
        movedNumbers.moved(node.inode.number)
        let old = nodes[parent]?.directory?.children[name]
        nodes[oldParent]?.directory?.children[oldName] = nil
        nodes[parent]?.directory?.children[name] = id
        nodes[id]?.parent = parent
        nodes[id]?.name = name
        // Only now: the old one may have been all that held the parent.
        if let old, old != id { detach(old) }
        reap(oldParent)
    }

    /// Lets two nodes hang in each other's place.
    mutating func exchange(_ one: NodeID, _ other: NodeID) {
        guard let first = nodes[one], let firstParent = first.parent, let firstName = first.name,
            let second = nodes[other], let secondParent = second.parent, let secondName = second.name
        else { return }
        movedNumbers.moved(first.inode.number)
        movedNumbers.moved(second.inode.number)
        nodes[firstParent]?.directory?.children[firstName] = other
        nodes[secondParent]?.directory?.children[secondName] = one
        nodes[one]?.parent = secondParent
        nodes[one]?.name = secondName
        nodes[other]?.parent = firstParent
        nodes[other]?.name = firstName
    }

    /// The kernel has looked the node up once more.
    mutating func addLookup(_ id: NodeID) {
        nodes[id]?.lookups += 1
        nodes[id]?.bound.noteLookup()
    }

    /// The kernel forgets `count` lookups.
    mutating func forget(_ id: NodeID, lookups count: UInt64) {
        guard let node = nodes[id] else { return }
        nodes[id]?.lookups = node.lookups > count ? node.lookups - count : 0
        reap(id)
    }

    /// Drops the node if nobody holds it any more, and then its parent likewise.
    mutating func reap(_ id: NodeID) {
        var id = id
        while id != .root, let node = nodes[id], node.lookups == 0, node.directory?.children.isEmpty ?? true,
            !node.inode.isBusy
        {
            if movedNumbers.hasMoved(node.inode.number) {
                let path = path(of: id)
                movedNumbers.forgotten(node.inode.number, at: path)
            }
            nodes[id] = nil
            use?.addInodes(-1, bytes: -node.bound.bytes)
            let uses = numbersInUse[node.inode.number, default: 1] - 1
            numbersInUse[node.inode.number] = uses > 0 ? uses : nil
            nodes.shrinkWhereSparse()
            numbersInUse.shrinkWhereSparse()
            bound.compact(nodes)
            guard let parent = node.parent, let name = node.name else { return }
            nodes[parent]?.directory?.children[name] = nil
            nodes[parent]?.directory?.children.shrinkWhereSparse()
            id = parent
        }
    }

    // MARK: Memory

    /// Picks what the kernel shall be asked to forget: names, with their directories, of inodes that take `bytes`, and are at least
    /// `count`, as far as there are such that nobody has used of late and that nothing else holds.
    mutating func inodesToGiveBack(bytes: Int, count: Int) -> [LookupTarget] {
        bound.pick(bytes: bytes, count: count, from: &nodes)
    }

    /// Drops what listings told, the longest out of use first, until at least `bytes` are free.
    func dropNames(bytes: Int) {
        var spans: [(tick: UInt64, bytes: Int)] = []
        for node in nodes.values {
            if let directory = node.directory { spans += directory.known.spans.map { ($0.use.last, $0.byteCount) } }
        }
        spans.sort { $0.tick < $1.tick }
        var freed = 0
        let last = spans.first { span in
            freed += span.bytes
            return freed >= bytes
        }
        guard let tick = last?.tick ?? spans.last?.tick else { return }
        for node in nodes.values { node.directory?.known.dropSpans(notUsedSince: tick) }
    }

    /// Drops attributes that were fetched ahead before `moment` and never asked for.
    func dropAhead(before moment: Moment) {
        for node in nodes.values {
            guard let directory = node.directory, !directory.prefetched.isEmpty else { continue }
            directory.prefetched = directory.prefetched.filter { $0.value.seen >= moment }
        }
    }

    /// Changes what is known of a directory's entries.
    func updateDirectory<T>(_ id: NodeID, _ body: (Directory) -> T) -> T? {
        nodes[id]?.directory.map(body)
    }

    /// FNV-1a, 64 bits: the same for the same path in every mount.
    private static func hash(_ path: String) -> UInt64 {
        path.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
