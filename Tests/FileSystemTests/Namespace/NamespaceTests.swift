import ObjectStore
import ObjectStoreTesting
import Synchronization
import Testing

@testable import FileSystem

/// The tree of inodes: who stays, who goes, and under which path and number.
@Suite struct NamespaceTests {
    static func attributes(_ type: FileType) -> StoredAttributes {
        let time = Timestamp(seconds: 1)
        return StoredAttributes(
            type: type, permissions: 0o644, owner: 0, group: 0, modificationTime: time, changeTime: time,
            accessTime: time)
    }

    static func state(_ type: FileType, number: UInt64, key: String = "k") -> Inode.State {
        Inode.State(
            number: number, attributes: attributes(type),
            version: ObjectVersion(key: ObjectKey(key), etag: ETag("e"), size: 0), seen: Moment(nanoseconds: 0),
            isComplete: true)
    }

    static func makeTree() -> Namespace {
        Namespace(root: Inode(node: .root, state: state(.directory, number: 1)))
    }

    /// Adds a node with one lookup.
    @discardableResult
    static func add(
        _ name: String, _ type: FileType = .regular, in parent: NodeID = .root, lookups: Int = 1,
        to tree: inout Namespace
    ) -> Inode {
        let name = FileName(name)!
        let numbers = tree.makeNumbers(path: tree.path(of: name, in: parent)!)
        let inode = Inode(node: numbers.id, state: state(type, number: numbers.number))
        tree.insert(inode, as: name, in: parent)
        for _ in 0..<lookups { tree.addLookup(inode.node) }
        return inode
    }

    static func name(_ text: String) -> FileName { FileName(text)! }

    @Test func pathsFollowTheNames() {
        var tree = Self.makeTree()
        let a = Self.add("a", .directory, to: &tree)
        let b = Self.add("b", .directory, in: a.node, to: &tree)
        let c = Self.add("c", in: b.node, to: &tree)
        #expect(tree.path(of: .root) == "")
        #expect(tree.path(of: c.node) == "a/b/c")
        #expect(tree.path(of: Self.name("new"), in: b.node) == "a/b/new")
        #expect(tree.path(of: Self.name("new"), in: .root) == "new")
        #expect(tree.child(Self.name("c"), of: b.node)?.inode === c)
        #expect(tree.isBelow(c.node, a.node) && tree.isBelow(a.node, a.node) && !tree.isBelow(a.node, b.node))
        #expect(tree.subtree(of: a.node).map(\.inode.node) == [a, b, c].map(\.node))
    }

    @Test func whatIsForgottenTakesNoRoom() {
        var tree = Self.makeTree()
        let directory = Self.add("d", .directory, to: &tree)
        let files = (0..<40_000).map { Self.add("f\($0)", in: directory.node, to: &tree).node }
        #expect(tree.nodes.capacity >= 40_000)
        for file in files.dropLast(10) { tree.forget(file, lookups: 1) }
        #expect(tree.nodes.capacity < 10_000)
        #expect((tree[directory.node]?.directory?.children.capacity ?? .max) < 10_000)
        #expect(tree.nodes.count == 12)
        for (number, file) in files.enumerated().suffix(10) {
            #expect(tree.child(Self.name("f\(number)"), of: directory.node)?.inode.node == file)
        }
    }

    @Test func aNodeGoesWithItsLastLookup() {
        var tree = Self.makeTree()
        let a = Self.add("a", lookups: 3, to: &tree)
        tree.forget(a.node, lookups: 2)
        #expect(tree[a.node] != nil)
        tree.forget(a.node, lookups: 1)
        #expect(tree[a.node] == nil)
        #expect(tree.child(Self.name("a"), of: .root) == nil)
        // Forgetting once more, or too much, does no harm.
        tree.forget(a.node, lookups: 1)
        let b = Self.add("b", to: &tree)
        tree.forget(b.node, lookups: .max)
        #expect(tree[b.node] == nil)
    }

    @Test func aParentStaysForItsChildrenAndGoesAfterThem() {
        var tree = Self.makeTree()
        let a = Self.add("a", .directory, to: &tree)
        let b = Self.add("b", .directory, in: a.node, to: &tree)
        let c = Self.add("c", in: b.node, to: &tree)
        tree.forget(a.node, lookups: 1)
        tree.forget(b.node, lookups: 1)
        #expect(tree.path(of: c.node) == "a/b/c")
        tree.forget(c.node, lookups: 1)
        #expect(tree[a.node] == nil && tree[b.node] == nil && tree[c.node] == nil)
        #expect(tree.nodes.count == 1)
    }

    @Test func theRootStays() {
        var tree = Self.makeTree()
        tree.forget(.root, lookups: 1000)
        tree.reap(.root)
        tree.detach(.root)
        #expect(tree[.root] != nil && tree.path(of: .root) == "")
    }

    @Test func anOpenOrUnstoredFileStays() {
        var tree = Self.makeTree()
        let open = Self.add("open", to: &tree)
        open.state.withLock { $0.handles = 1 }
        let unstored = Self.add("unstored", to: &tree)
        unstored.state.withLock { $0.version = nil }
        tree.forget(open.node, lookups: 1)
        tree.forget(unstored.node, lookups: 1)
        #expect(tree[open.node] != nil && tree[unstored.node] != nil)
        open.state.withLock { $0.handles = 0 }
        tree.reap(open.node)
        #expect(tree[open.node] == nil)
        // Once unlinked, what is not stored need not be.
        unstored.state.withLock { $0.isUnlinked = true }
        tree.detach(unstored.node)
        #expect(tree[unstored.node] == nil)
    }

    @Test func aDetachedNodeHasNoPathButStaysForItsHolder() {
        var tree = Self.makeTree()
        let a = Self.add("a", .directory, to: &tree)
        let b = Self.add("b", in: a.node, to: &tree)
        tree.detach(a.node)
        #expect(tree.path(of: a.node) == nil && tree.path(of: b.node) == nil)
        #expect(tree.path(of: Self.name("x"), in: a.node) == nil)
        #expect(tree.child(Self.name("a"), of: .root) == nil)
        tree.detach(a.node)
        let new = Self.add("a", .directory, to: &tree)
        tree.forget(a.node, lookups: 1)
        tree.forget(b.node, lookups: 1)
        #expect(tree[a.node] == nil && tree[b.node] == nil)
        // The old node's end does not touch the new one of its name.
        #expect(tree.child(Self.name("a"), of: .root)?.inode === new)
    }

    @Test func insertingCutsOffWhatWasThere() {
        var tree = Self.makeTree()
        let old = Self.add("a", to: &tree)
        let new = Self.add("a", to: &tree)
        #expect(tree.child(Self.name("a"), of: .root)?.inode === new)
        #expect(tree.path(of: old.node) == nil && tree[old.node] != nil)
        #expect(old.number != new.number)
    }

    /// The kernel has forgotten the directory, which stays for its one child; that child is replaced.
    @Test func aDirectoryHeldByItsChildAloneStaysWhenTheChildIsReplaced() {
        var tree = Self.makeTree()
        let a = Self.add("a", .directory, to: &tree)
        Self.add("b", in: a.node, lookups: 0, to: &tree)
        tree.forget(a.node, lookups: 1)
        let new = Self.add("b", in: a.node, to: &tree)
        #expect(tree.path(of: new.node) == "a/b")
        // The same by a rename.
        let other = Self.add("other", to: &tree)
        tree.forget(new.node, lookups: 1)
        #expect(tree[a.node] == nil)
        let c = Self.add("c", .directory, to: &tree)
        Self.add("d", in: c.node, lookups: 0, to: &tree)
        tree.forget(c.node, lookups: 1)
        tree.move(other.node, to: Self.name("d"), in: c.node)
        #expect(tree.path(of: other.node) == "c/d")
    }

    @Test func moving() {
        var tree = Self.makeTree()
        let a = Self.add("a", .directory, to: &tree)
        let b = Self.add("b", .directory, to: &tree)
        let c = Self.add("c", in: a.node, to: &tree)
        let target = Self.add("c", in: b.node, to: &tree)
        tree.move(c.node, to: Self.name("c"), in: b.node)
        #expect(tree.path(of: c.node) == "b/c")
        #expect(tree.child(Self.name("c"), of: a.node) == nil)
        #expect(tree.path(of: target.node) == nil && tree[target.node] != nil)
        tree.move(b.node, to: Self.name("z"), in: a.node)
        #expect(tree.path(of: c.node) == "a/z/c")
        // Within one directory, and onto itself.
        tree.move(c.node, to: Self.name("d"), in: b.node)
        #expect(tree.path(of: c.node) == "a/z/d")
        tree.move(c.node, to: Self.name("d"), in: b.node)
        #expect(tree.path(of: c.node) == "a/z/d" && tree.child(Self.name("d"), of: b.node)?.inode === c)
    }

    @Test func inodeNumbersComeOutTheSame() {
        var one = Self.makeTree()
        var other = Self.makeTree()
        _ = Self.add("something", to: &other)
        #expect(Self.add("a", to: &one).number == Self.add("a", to: &other).number)
        // And again after the kernel has forgotten the file.
        let b = Self.add("b", to: &one)
        one.forget(b.node, lookups: 1)
        let again = Self.add("b", to: &one)
        #expect(again.number == b.number && again.node != b.node)
    }

    @Test func aRenamedInodesNumberOutlivesItsBeingForgotten() {
        var tree = Self.makeTree()
        let a = Self.add("a", to: &tree)
        for round in 0..<3 {
            let old = Self.name(["a", "b", "c"][round])
            let new = Self.name(["b", "c", "a"][round])
            let node = tree.child(old, of: .root)!.inode.node
            tree.move(node, to: new, in: .root)
            tree.forget(node, lookups: 1)
            #expect(tree.child(new, of: .root) == nil)
            #expect(Self.add(new.string, to: &tree).number == a.number)
        }
        // It is its own path's now. What is unlinked leaves nothing behind.
        let last = tree.child(Self.name("a"), of: .root)!.inode.node
        tree.move(last, to: Self.name("b"), in: .root)
        tree.detach(last)
        tree.forget(last, lookups: 1)
        #expect(Self.add("b", to: &tree).number != a.number)
        #expect(Self.add("a", to: &tree).number == a.number)
    }

    @Test func onlySoManyNumbersOfForgottenInodesAreKept() {
        var numbers = MovedNumbers()
        for number in 0..<UInt64(MovedNumbers.most + 100) {
            numbers.moved(number)
            numbers.forgotten(number, at: "\(number)")
        }
        let kept = (0..<MovedNumbers.most + 100).filter { numbers.recalled("\($0)") == UInt64($0) }
        #expect(kept.count == MovedNumbers.most)
    }

    @Test func liveInodesHaveNumbersOfTheirOwn() {
        var tree = Self.makeTree()
        var numbers: Set<UInt64> = [1]
        var nodes: Set<NodeID> = [.root]
        // The same path again and again, each time with the one before still held.
        for index in 0..<2000 {
            let inode = Self.add("f\(index % 50)", to: &tree)
            #expect(inode.number > 1)
            #expect(numbers.insert(inode.number).inserted && nodes.insert(inode.node).inserted)
        }
    }

    /// Random lookups, forgets, detaches and moves: every node has a way to the root or is cut off, every child link agrees
    /// with its node, and when all is forgotten nothing is left.
    @Test(arguments: 1...30) func staysATree(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var tree = Self.makeTree()
        var lookups: [NodeID: UInt64] = [:]
        for _ in 0..<400 {
            let held = lookups.keys.sorted()
            let parents = [.root] + held.filter { tree[$0]?.directory != nil && tree.path(of: $0) != nil }
            let parent = parents.randomElement(using: &random)!
            let name = FileName("n\(Int.random(in: 0..<6, using: &random))")!
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                if let child = tree.child(name, of: parent) {
                    tree.addLookup(child.inode.node)
                    lookups[child.inode.node, default: 0] += 1
                } else {
                    let type: FileType = Bool.random(using: &random) ? .directory : .regular
                    lookups[Self.add(name.string, type, in: parent, to: &tree).node] = 1
                }
            case 4..<7:
                guard let node = held.randomElement(using: &random) else { continue }
                let count = UInt64.random(in: 1...lookups[node]!, using: &random)
                tree.forget(node, lookups: count)
                lookups[node]! -= count
                if lookups[node] == 0 { lookups[node] = nil }
            case 7: if let node = held.randomElement(using: &random) { tree.detach(node) }
            default:
                guard let node = held.randomElement(using: &random), !tree.isBelow(parent, node) else { continue }
                tree.move(node, to: name, in: parent)
            }
            check(tree, lookups, seed)
        }
        for (node, count) in lookups { tree.forget(node, lookups: count) }
        #expect(tree.nodes.count == 1, "seed \(seed): \(tree.nodes.count - 1) nodes are left")
    }

    private func check(_ tree: Namespace, _ lookups: [NodeID: UInt64], _ seed: UInt64) {
        for (id, node) in tree.nodes {
            if let parent = node.parent {
                #expect(tree[parent]?.directory?.children[node.name!] == id, "seed \(seed): \(id) is not its parent's")
            }
            for (name, child) in node.directory?.children ?? [:] {
                #expect(tree[child]?.parent == id && tree[child]?.name == name, "seed \(seed): \(child) is elsewhere")
            }
        }
        for node in lookups.keys { #expect(tree[node] != nil, "seed \(seed): \(node) is held and gone") }
    }
}
