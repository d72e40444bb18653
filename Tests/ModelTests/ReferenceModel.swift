import FileSystem
import SystemPackage

/// What a local file system would do: a tree in memory that the file system over a bucket is compared with.
struct ReferenceModel {
    /// What stands at a path.
    enum Kind: Equatable {
        case file([UInt8])
        case directory
        case link([UInt8])
        /// A fifo, socket or device, with the device's number.
        case special(FileSystem.FileType, UInt64)
    }

    /// A file with what `stat` and `getxattr` tell of it, as far as both sides define it.
    struct Node: Equatable {
        var kind: Kind
        var permissions: UInt32
        var owner: UInt32 = 0
        var group: UInt32 = 0
        var modified: Int64?
        /// The access time that was set, while nobody has read since.
        var accessed: Int64?
        /// The access control list beyond the permission bits, and that of what is made in a directory.
        var list: ModelAccessList?
        var inherited: ModelAccessList?
        var extended: [String: [UInt8]] = [:]
        /// Which file it is, wherever it goes.
        var identity = 0

        var isDirectory: Bool { kind == .directory }
    }

    /// A file that a program has open.
    struct OpenHandle: Equatable {
        let identity: Int
        let flags: OpenFlags
    }

    /// The open files by slot.
    private(set) var handles: [Int: OpenHandle] = [:]
    /// Files that are open and have no name any more, by identity.
    private var orphans: [Int: Node] = [:]
    private var nextIdentity = 1
    /// The user and group of the program that asks.
    var caller: (owner: UInt32, group: UInt32) = (0, 0)

    /// All nodes by path; the root is "".
    private(set) var nodes: [String: Node] = ["": Node(kind: .directory, permissions: 0o755)]

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return String(path[..<slash])
    }

    func children(of path: String) -> [String] {
        nodes.keys.filter { !$0.isEmpty && Self.parent(of: $0) == path }.sorted()
    }

    private func checkParent(of path: String) throws(Errno) {
        guard let parent = nodes[Self.parent(of: path)] else { throw .noSuchFileOrDirectory }
        guard parent.isDirectory else { throw .notDirectory }
    }

    /// What walking to a path meets: ENOENT and ENOTDIR as path resolution has them.
    func find(_ path: String) throws(Errno) -> Node {
        var walked = ""
        for part in path.split(separator: "/") {
            guard nodes[walked]?.isDirectory == true else { throw .notDirectory }
            walked = walked.isEmpty ? String(part) : walked + "/" + part
            guard nodes[walked] != nil else { throw .noSuchFileOrDirectory }
        }
        return nodes[path]!
    }

    mutating func make(_ path: String, _ node: Node) throws(Errno) {
        _ = try find(Self.parent(of: path))
        try checkParent(of: path)
        guard nodes[path] == nil else { throw .fileExists }
        add(path, node)
    }

    /// Adds a node of the caller's; below a directory with the set-group-id bit it takes over the group, and a directory the bit
    /// (inode(7)); below one with a default list, that (acl(5)).
    private mutating func add(_ path: String, _ node: Node) {
        var node = node
        (node.owner, node.group) = caller
        if let parent = nodes[Self.parent(of: path)] {
            if parent.permissions & 0o2000 != 0 {
                node.group = parent.group
                if node.isDirectory { node.permissions |= 0o2000 }
            }
            node.inherit(parent.inherited)
        }
        node.identity = nextIdentity
        nextIdentity += 1
        nodes[path] = node
    }

    /// Takes a node's name away; it stays for those who have it open.
    private mutating func remove(_ path: String) {
        guard let node = nodes.removeValue(forKey: path) else { return }
        if handles.values.contains(where: { $0.identity == node.identity }) { orphans[node.identity] = node }
    }

    /// open(O_CREAT|O_TRUNC), write, close.
    mutating func store(_ path: String, _ bytes: [UInt8], permissions: UInt32) throws(Errno) {
        _ = try find(Self.parent(of: path))
        try checkParent(of: path)
        if var node = nodes[path] {
            guard !node.isDirectory else { throw .isDirectory }
            guard case .file = node.kind else { throw .tooManySymbolicLinkLevels }
            node.kind = .file(bytes)
            node.modified = nil
            node.accessed = nil
            nodes[path] = node
        } else {
            add(path, Node(kind: .file(bytes), permissions: permissions))
        }
    }

    /// Changes a regular file's bytes.
    mutating func edit(_ path: String, _ body: (inout [UInt8]) -> Void) throws(Errno) {
        var node = try find(path)
        guard case .file(var bytes) = node.kind else {
            throw node.isDirectory ? .isDirectory : .tooManySymbolicLinkLevels
        }
        let before = bytes
        body(&bytes)
        if bytes != before { node.modified = nil }
        node.accessed = nil
        node.kind = .file(bytes)
        nodes[path] = node
    }

    mutating func change(_ path: String, _ body: (inout Node) throws(Errno) -> Void) throws(Errno) {
        var node = try find(path)
        try body(&node)
        nodes[path] = node
    }

    mutating func unlink(_ path: String) throws(Errno) {
        guard !(try find(path)).isDirectory else { throw .isDirectory }
        remove(path)
    }

    mutating func removeDirectory(_ path: String) throws(Errno) {
        guard try find(path).isDirectory else { throw .notDirectory }
        guard children(of: path).isEmpty else { throw .directoryNotEmpty }
        nodes[path] = nil
    }

    mutating func rename(_ from: String, _ to: String) throws(Errno) {
        let source = try find(from)
        _ = try find(Self.parent(of: to))
        try checkParent(of: to)
        if from == to { return }
        if source.isDirectory, to.hasPrefix(from + "/") { throw .invalidArgument }
        if let target = nodes[to] {
            if source.isDirectory, !target.isDirectory { throw .notDirectory }
            if !source.isDirectory, target.isDirectory { throw .isDirectory }
            if target.isDirectory, !children(of: to).isEmpty { throw .directoryNotEmpty }
            remove(to)
        }
        for (path, node) in nodes where path == from || path.hasPrefix(from + "/") {
            nodes[path] = nil
            nodes[to + path.dropFirst(from.count)] = node
        }
    }

    /// renameat2(RENAME_EXCHANGE)
    mutating func exchange(_ one: String, _ other: String) throws(Errno) {
        let first = try find(one)
        let second = try find(other)
        if one == other { return }
        guard !first.isDirectory, !second.isDirectory else { throw .invalidArgument }
        nodes[one] = second
        nodes[other] = first
    }

    /// Somebody has read a file, a directory or a link, or may have.
    mutating func noteRead(_ path: String) { nodes[path]?.accessed = nil }

    /// The file of a slot has been read.
    mutating func noteRead(slot: Int) {
        guard let identity = handles[slot]?.identity else { return }
        for (path, node) in nodes where node.identity == identity { noteRead(path) }
    }

    /// All has been read.
    mutating func noteAllRead() { for path in nodes.keys { nodes[path]?.accessed = nil } }

    // MARK: Open files

    /// open(2) of a regular file into a slot.
    mutating func open(_ path: String, _ flags: OpenFlags, slot: Int) throws(Errno) {
        _ = try find(Self.parent(of: path))
        try checkParent(of: path)
        if nodes[path] == nil {
            guard flags.contains(.create) else { throw .noSuchFileOrDirectory }
            add(path, Node(kind: .file([]), permissions: 0o644))
        } else {
            if flags.contains(.create), flags.contains(.exclusive) { throw .fileExists }
            try edit(path) { if flags.contains(.truncate) { $0 = [] } }
            if flags.contains(.truncate) { nodes[path]?.modified = nil }
        }
        noteRead(path)
        guard let node = nodes[path] else { throw .noSuchFileOrDirectory }
        handles[slot] = OpenHandle(identity: node.identity, flags: flags)
    }

    /// How a slot was opened.
    func flags(of slot: Int) throws(Errno) -> OpenFlags {
        guard let handle = handles[slot] else { throw .badFileDescriptor }
        return handle.flags
    }

    /// The bytes of a slot's file.
    func content(of slot: Int) throws(Errno) -> [UInt8] {
        guard let handle = handles[slot] else { throw .badFileDescriptor }
        let node = orphans[handle.identity] ?? nodes.values.first { $0.identity == handle.identity }
        guard case .file(let bytes) = node?.kind else { throw .badFileDescriptor }
        return bytes
    }

    /// Changes the bytes of a slot's file.
    mutating func editOpen(_ slot: Int, _ body: (inout [UInt8]) -> Void) throws(Errno) {
        var bytes = try content(of: slot)
        guard let identity = handles[slot]?.identity else { throw .badFileDescriptor }
        body(&bytes)
        if let path = nodes.first(where: { $0.value.identity == identity })?.key {
            nodes[path]?.kind = .file(bytes)
            nodes[path]?.modified = nil
            nodes[path]?.accessed = nil
        } else {
            orphans[identity]?.kind = .file(bytes)
        }
    }

    /// close(2).
    mutating func close(_ slot: Int) throws(Errno) {
        guard let handle = handles.removeValue(forKey: slot) else { throw .badFileDescriptor }
        if !handles.values.contains(where: { $0.identity == handle.identity }) { orphans[handle.identity] = nil }
    }
}
