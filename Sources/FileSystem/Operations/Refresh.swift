internal import ObjectStore
import Synchronization

/// `pail refresh` and `pail sync`: what a person asks of a mount beside the kernel.
extension BucketFileSystem {
    /// Forgets what is cached of the names at and below `path`: attributes, listings, names that were not there. Whoever asks
    /// next gets the bucket's answer. Content is kept where its ETag is still the object's, and open files go on with the
    /// version that they were opened on. What this mount has changed and not stored is no cache and stays.
    ///
    /// No request. The kernel is told to forget as well.
    /// - Parameter path: below the mount point, without a slash at either end; empty for all. It need not exist.
    /// - Returns: the number of files and directories that were known.
    public func forgetCached(below path: String) -> Int {
        let longAgo = options.clock.monotonic().earlier(by: 1e6)
        walk.dropAll()
        let (forgotten, entries) = namespace.withLock { namespace in
            var start = NodeID.root
            var entries: [(parent: NodeID, name: FileName)] = []
            for component in path.split(separator: "/") {
                guard let name = FileName(String(component)) else { return ([NodeID](), entries) }
                guard let child = namespace.child(name, of: start)?.inode else {
                    _ = namespace.updateDirectory(start) { directory in
                        directory.known.forget(name)
                        directory.prefetched[name] = nil
                    }
                    return ([], [(start, name)])
                }
                _ = namespace.updateDirectory(start) { $0.known.forget(name) }
                start = child.node
            }
            let nodes = namespace.subtree(of: start)
            for node in nodes {
                node.directory?.known.forget()
                node.directory?.prefetched.removeAll()
                if let parent = node.parent, let name = node.name { entries.append((parent, name)) }
                node.inode.state.withLock { state in
                    state.seen = longAgo
                    // The root has no name by which it could be looked up again.
                    if node.inode.node == .root, !state.isLocal { state.isComplete = false }
                }
            }
            return (nodes.map(\.inode.node), entries)
        }
        if let notifier = lifecycle.withLock({ $0.notifier }) {
            for node in forgotten { notifier.invalidateInode(node, offset: -1, length: 0) }
            for entry in entries { notifier.invalidateEntry(parent: entry.parent, name: entry.name) }
        }
        return forgotten.count
    }

    /// Stores what is not stored of the files at and below `path`, open ones too: what sync(2) does. Eight at a time; requests
    /// as at a close.
    /// - Parameter path: as for ``forgetCached(below:)``.
    /// - Returns: the number of files that could not be stored; the log says why.
    public func storeAll(below path: String) async -> Int {
        let inodes = namespace.withLock { namespace -> [Inode] in
            var start = NodeID.root
            for component in path.split(separator: "/") {
                guard let name = FileName(String(component)), let child = namespace.child(name, of: start) else {
                    return []
                }
                start = child.inode.node
            }
            return namespace.subtree(of: start).map(\.inode)
        }
        return await store(inodes)
    }

    /// What the mount holds in memory: bytes of file content and the budget for them, and the files and directories that the kernel
    /// remembers.
    public var usage: (memory: Int, memoryLimit: Int, inodes: Int) {
        (budget.used, options.memoryLimit, namespace.withLock { $0.nodes.count })
    }
}
