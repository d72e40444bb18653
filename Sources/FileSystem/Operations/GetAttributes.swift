internal import ObjectStore
import Synchronization
public import SystemPackage

/// `GETATTR`.
///
/// Requests: none where the attributes are known freshly or are local, and none for a read through a handle that has read from
/// its file before; else one HEAD (a directory without a marker: HEAD and LIST at once).
extension BucketFileSystem {
    /// Answers from memory.
    public func attributesNow(of node: NodeID, handle: HandleID?) -> Result<(FileAttributes, lifetime: Double), Errno>?
    {
        guard let inode = namespace.withLock({ $0[node]?.inode }) else { return .failure(.staleNFSFileHandle) }
        if isFresh(inode) { return .success(reply(inode)) }
        return replyPinned(inode, to: handle).map { .success($0) }
    }

    /// Answers by asking the store.
    public func attributes(of node: NodeID, handle: HandleID?) async throws(Errno) -> (FileAttributes, lifetime: Double)
    {
        let inode = try inode(node)
        try await refresh(inode)
        return reply(inode)
    }

    /// What the kernel is told for a handle that keeps to its version: nil where the store is to be asked.
    ///
    /// The kernel names a handle where a read(2) goes to the end of the file or an lseek(2) starts there, not for fstat(2). What
    /// has been read of a version binds the handle to it, so the size of that version is the answer, whatever the bucket holds
    /// by now and whether the store answers at all. It holds for this one question: a stat(2) after it asks the store.
    private func replyPinned(_ inode: Inode, to handle: HandleID?) -> (FileAttributes, lifetime: Double)? {
        guard let handle, let file = handles.withLock({ $0.file(handle) }), file.inode === inode,
            inode.state.withLock({ $0.hasServedReads && ($0.isComplete || showsListed) })
        else { return nil }
        return (reply(inode).0, lifetime: 0)
    }

    /// Whether an inode's attributes may be answered as they are.
    func isFresh(_ inode: Inode) -> Bool {
        let fresh = freshSince
        return inode.state.withLock { state in
            state.isLocal || ((state.isComplete || showsListed) && (state.seen >= fresh || inode.node == .root))
        }
    }

    /// Asks the store for an inode's attributes where they are not fresh.
    /// - Throws: `ENOENT` where its object is gone; `ESTALE` where another took its place. An open file never fails so: its
    ///   attributes are those of the version that it was opened on.
    func refresh(_ inode: Inode) async throws(Errno) {
        if isFresh(inode) { return }
        if inode.node == .root { return try await refreshRoot() }
        let place: LookupTarget? = namespace.withLock { namespace in
            guard let node = namespace[inode.node], let parent = node.parent, let name = node.name else { return nil }
            return LookupTarget(parent: parent, name: name)
        }
        let isOpen = inode.state.withLock { $0.handles > 0 }
        guard let place else {
            if isOpen { return }
            throw .staleNFSFileHandle
        }
        let resolution = try await perform("getattr") {
            try await self.lookups.value(for: place) { try await self.resolve(place) }
        }
        let now: Inode? = namespace.withLock { namespace in
            defer { namespace.reap(inode.node) }
            guard let node = namespace[inode.node], node.parent == place.parent, node.name == place.name else {
                return inode
            }
            return install(resolution, as: place.name, in: place.parent, &namespace)
        }
        if now === inode || isOpen { return }
        throw now == nil ? .noSuchFileOrDirectory : .staleNFSFileHandle
    }

    /// The root's attributes are asked for once: its marker, or the mount's own defaults.
    func refreshRoot() async throws(Errno) {
        let key = keys.directoryKey("")
        let seen = options.clock.monotonic()
        let info = try await perform("getattr") { try await self.store.headOrNil(key) }
        guard let root = namespace.withLock({ $0[.root]?.inode }) else { return }
        let stored = info.flatMap { state(from: .object($0, key: key, seen: seen), number: root.number) }
        root.state.withLock { state in
            if let stored {
                state.attributes = stored.attributes
                state.metadata = stored.metadata
                state.version = stored.version
                state.lastModified = stored.lastModified
            }
            state.seen = seen
            state.isComplete = true
        }
    }

    /// An inode's attributes and how long they hold.
    func reply(_ inode: Inode) -> (FileAttributes, lifetime: Double) {
        let entry = entry(for: inode)
        return (entry.attributes, lifetime: entry.attributeLifetime)
    }

    /// `STATFS`: a bucket has no size. Programs that compute with these numbers get ones that do not overflow: 1 PiB in blocks
    /// of 4 KiB, or what the options say, all free.
    public func statistics() -> FileSystemStatistics {
        let blocks = options.capacity.map { UInt64(max($0, 0)) / 4096 } ?? 1 << 38
        return FileSystemStatistics(
            blockSize: 4096, blocks: blocks, freeBlocks: blocks, files: 1 << 32, freeFiles: 1 << 32)
    }
}
