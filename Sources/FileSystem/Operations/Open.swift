internal import Logging
internal import ObjectStore
import Synchronization
public import SystemPackage

/// `OPEN` and `RELEASE`.
///
/// Requests: none where the attributes are known freshly, as they are behind a lookup; else one HEAD. What is read is asked
/// for with `If-Match` of the version found here. A release stores what a close before it failed to store.
extension BucketFileSystem {
    /// Opens what is known freshly.
    public func openNow(_ node: NodeID, flags: OpenFlags, by caller: Caller) -> Result<OpenReply, Errno>? {
        guard let inode = namespace.withLock({ $0[node]?.inode }) else { return .failure(.staleNFSFileHandle) }
        if flags.isWritable || flags.contains(.truncate) {
            do { try checkWritable() } catch { return .failure(error) }
        }
        if inode.state.withLock({ $0.isSuperseded }) { return .failure(.staleNFSFileHandle) }
        applyBarrier(to: inode)
        guard isFresh(inode) else { return nil }
        guard inode.type == .regular else {
            return .failure(inode.type == .directory ? .isDirectory : .noSuchAddressOrDevice)
        }
        let needsTruncation = flags.contains(.truncate) && inode.state.withLock { $0.staged != nil }
        return needsTruncation ? nil : openFresh(inode, flags: flags).map { .success($0) }
    }

    /// Opens after asking the store.
    /// - Throws: `ESTALE` where another object has taken the name: the kernel then looks the name up again and opens that.
    public func open(_ node: NodeID, flags: OpenFlags, by caller: Caller) async throws(Errno) -> OpenReply {
        if flags.isWritable || flags.contains(.truncate) { try checkWritable() }
        let inode = try inode(node)
        try await refreshToOpen(inode, flags)
        while true {
            if inode.state.withLock({ $0.isSuperseded }) { throw .staleNFSFileHandle }
            guard inode.type == .regular else {
                throw inode.type == .directory ? .isDirectory : .noSuchAddressOrDevice
            }
            var flags = flags
            if flags.contains(.truncate), let staged = inode.state.withLock({ $0.staged }) {
                try await staged.truncate(to: 0)
                noteWrite(inode)
                flags.subtract(.truncate)
            }
            if let reply = openFresh(inode, flags: flags) { return reply }
            try await complete(inode)
        }
    }

    /// Nil for a writer where the headers are not known that his commit is to send.
    private func openFresh(_ inode: Inode, flags: OpenFlags) -> OpenReply? {
        let now = options.clock.wall()
        let opened: (staged: StagedFile?, keepsPages: Bool)? = inode.state.withLock { state in
            if flags.isWritable, !state.isComplete, !state.isLocal, showsListed { return nil }
            state.handles += 1
            if flags.isWritable {
                state.writers += 1
                if state.staged == nil {
                    let isReplaced = flags.contains(.truncate)
                    state.staged = makeStagedFile(base: isReplaced ? nil : state.version, inode: inode)
                    if isReplaced {
                        state.size = 0
                        state.attributes.modificationTime = now
                        state.attributes.changeTime = now
                    }
                }
            }
            if state.reader == nil, let version = state.version { state.reader = makeReader(version) }
            let keepsPages = state.pageCacheVersion != nil && state.pageCacheVersion == state.version?.etag
            state.pageCacheVersion = state.version?.etag
            // What the kernel has in its pages it hands out without a word.
            if keepsPages {
                state.hasServedReads = true
                if flags.isReadable, movesAccessTime(flags) { state.noteAccess { now } }
            }
            return (flags.isWritable ? state.staged : nil, keepsPages)
        }
        guard let opened else { return nil }
        tellSize(of: inode, whileReading: false)
        let file = OpenFile(inode: inode, flags: flags, stream: ReadStream(), staged: opened.staged)
        return OpenReply(handle: handles.withLock { $0.add(file) }, keepsPageCache: opened.keepsPages)
    }

    /// Has the kernel ask for the attributes again, if it may still have those of a version that was replaced since: it ends a read at the size that it
    /// knows, for as long as it was told to rely on that, and a program would find the new content cut at the old length.
    ///
    /// To be called before bytes of the new version are handed out: at an open, and at the first read of a handle that has gone over to another version. While a
    /// read is under way it must be silent about content that became shorter: there the kernel takes the new size from the short answer, but only if it has
    /// been told nothing since it asked (`fuse_read_update_size`); else the program would find zeros behind the new end.
    func tellSize(of inode: Inode, whileReading: Bool) {
        let isToBeTold = inode.state.withLock { state in
            guard let believed = state.sizeBelieved else { return false }
            // Others may read through their handles.
            guard state.size >= believed || !whileReading && state.handles == 1 else { return false }
            state.sizeBelieved = nil
            return true
        }
        if isToBeTold { lifecycle.withLock { $0.notifier }?.expireAttributes(of: inode.node) }
    }

    /// A reader of one version of an object.
    func makeReader(_ version: ObjectVersion) -> ObjectReader {
        ObjectReader(version: version, store: store, budget: budget, limits: ReadingLimits(), logger: logger)
    }

    /// The staging of a file's changes over what is stored of it.
    ///
    /// Uploaded parts are kept on disk until the commit, so that a change of one never makes half a file visible (promise 2).
    func makeStagedFile(base: ObjectVersion?, inode: Inode) -> StagedFile {
        var limits = WritingLimits(spillDirectory: options.spillDirectory)
        limits.partSize = options.partSize
        limits.singlePutThreshold = options.partSize
        limits.parallelParts = options.parallelParts
        limits.minimumFreeDisk = options.minimumFreeDisk
        limits.disk = disk
        return StagedFile(
            base: base, store: store, budget: budget, limits: limits, logger: logger,
            uploadTarget: { [weak inode, weak self] in
                guard let self, let inode else { return nil }
                let state = inode.state.withLock { $0 }
                guard !state.isUnlinked, !state.isMoving, let key = try? key(of: inode) else { return nil }
                return try? uploadTarget(for: inode, state, key: key)
            })
    }

    /// Releases a handle that leaves nothing to store.
    public func releaseNow(_ handle: HandleID) -> Bool {
        guard let file = handles.withLock({ $0.file(handle) }) else { return true }
        let needsWork = file.inode.state.withLock { state in
            (file.staged != nil && state.needsCommit) || (state.handles == 1 && state.hiddenKey != nil)
                || (state.isUnlinked && state.staged != nil)
        }
        if needsWork { return false }
        drop(handle)
        return true
    }

    /// Releases a handle; what a close could not store is tried once more. What still cannot be stored is kept: see KeepUnstored.swift.
    public func release(_ handle: HandleID) async {
        guard let file = handles.withLock({ $0.file(handle) }) else { return }
        if file.staged != nil, file.inode.state.withLock({ $0.needsCommit }) {
            do {
                try await commit(file.inode)
            } catch {
                await tellUnstored(file.inode, error, isLast: file.inode.state.withLock { $0.handles == 1 })
            }
        }
        let key = try? key(of: file.inode)
        let (hidden, staged): (ObjectKey?, StagedFile?) = file.inode.state.withLock { state in
            guard state.handles == 1 else { return (nil, nil) }
            if !state.isUnlinked {
                // The unlink or rename that the content was kept for has failed: the file is still under its name.
                guard let hidden = state.hiddenKey, let key, !state.isDirty else { return (nil, nil) }
                state.hiddenKey = nil
                state.version?.key = key
                state.seen = options.clock.monotonic().earlier(by: 1e6)
                return (hidden, nil)
            }
            defer {
                state.hiddenKey = nil
                state.staged = nil
            }
            return (state.hiddenKey, state.staged)
        }
        await staged?.discard()
        if let hidden { try? await store.delete(hidden, if: .none) }
        drop(handle)
    }

    private func drop(_ handle: HandleID) {
        guard let file = handles.withLock({ $0.removeFile(handle) }) else { return }
        let reader: ObjectReader? = file.inode.state.withLock { state in
            state.handles -= 1
            if file.staged != nil {
                state.writers -= 1
                state.dropStaged()
            }
            return state.handles == 0 ? state.dropReader() : state.reader
        }
        reader?.close(file.stream)
        namespace.withLock { $0.reap(file.inode.node) }
    }
}
