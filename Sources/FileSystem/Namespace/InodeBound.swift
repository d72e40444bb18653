internal import DequeModule

/// Picks the inodes that the kernel shall be asked to forget, so that those known do not grow without bound.
///
/// **Problem.** The kernel remembers every file that it has ever looked up, until its own memory is short, and for as long Pail
/// must hold an inode of some two kilobytes. A walk over a million files is two gigabytes, of which the kernel's memory feels little.
///
/// **Design.** A pure value, kept in ``Namespace``: a clock. Inodes stand in a queue in the order in which they came. The hand takes the first:
/// one that was looked up since the hand last passed goes to the end with its mark cleared, another is picked and goes to the
/// end as well, because the kernel need not obey. Picked ones that have not been forgotten yet count as on their way out, so that
/// they are not asked for again and again.
///
/// **Limits.** Directories are never picked: the kernel cuts a name off that it is told to drop, and a program that has its working directory
/// there would lose it. Files that are open, not stored, or still to be copied from are not picked. A program that holds a file without opening it
/// (`O_PATH`, inotify(7)) keeps its inode.
struct InodeBound: Sendable {
    /// What an inode takes beside its names, in bytes: the object, its headers, its place in the tree, the allocator's share.
    static let bytesEach = 1792
    /// What attributes fetched ahead take for each name, in bytes.
    static let bytesAhead = 1280
    /// At most so many are picked at once: notifications wait in a queue, and the kernel takes them one by one.
    static let largestPick = 4096
    /// The hand passes at most so many at once: the tree's lock is held meanwhile.
    static let longestSweep = 16384

    /// An inode's part.
    struct Mark: Sendable, Equatable {
        /// What it takes, in bytes.
        var bytes = 0
        /// It was looked up since the hand last passed.
        var isUsed = false
        /// The kernel was asked to forget it, and has neither done so nor looked it up again.
        var isPicked = false
        /// It has been looked up at all: the first time is no sign of use.
        private var isKnown = false

        /// A mark of an inode that takes `bytes`.
        init(bytes: Int = 0) { self.bytes = bytes }

        /// The kernel has looked it up.
        mutating func noteLookup() {
            isUsed = isKnown
            isKnown = true
            isPicked = false
        }
    }

    private var queue = Deque<NodeID>()

    /// A new inode stands in line.
    mutating func added(_ inode: Inode, named name: FileName) -> Mark {
        if inode.type != .directory { queue.append(inode.node) }
        return Mark(bytes: Self.bytesEach + 3 * name.string.utf8.count)
    }

    /// Picks inodes that take `bytes` in all and are at least `count`, as far as the sweep finds them. Those picked before that the
    /// kernel still has count as picked.
    mutating func pick(
        bytes: Int, count: Int, from nodes: inout [NodeID: Namespace.Node]
    ) -> [LookupTarget] {
        var picked: [LookupTarget] = []
        var found = (bytes: 0, count: 0)
        var left = min(queue.count, Self.longestSweep)
        while left > 0, picked.count < Self.largestPick, found.bytes < bytes || found.count < count {
            left -= 1
            guard let id = queue.popFirst() else { break }
            // Forgotten since.
            guard let node = nodes[id] else { continue }
            queue.append(id)
            if node.bound.isUsed {
                nodes[id]?.bound.isUsed = false
                continue
            }
            guard node.lookups > 0, let parent = node.parent, let name = node.name, !node.inode.isBusy else { continue }
            found.bytes += node.bound.bytes
            found.count += 1
            if node.bound.isPicked { continue }
            nodes[id]?.bound.isPicked = true
            picked.append(LookupTarget(parent: parent, name: name))
        }
        return picked
    }

    /// How many stand in line, those included that are gone and that the hand has not met since.
    var queueLength: Int { queue.count }

    /// Takes those out of the line that are gone, where they are most of it.
    mutating func compact(_ nodes: borrowing [NodeID: Namespace.Node]) {
        guard queue.count > 1024, queue.count > 2 * nodes.count else { return }
        queue = queue.filter { nodes[$0] != nil }
    }
}
