internal import ObjectStore
public import SystemPackage
import Synchronization

/// `FLUSH` (each close(2)), `FSYNC`, and the commit behind them: what is staged of a file becomes its object.
///
/// Requests: none for a file without changes; one PUT for a file below the part size; a multipart upload above it, whose
/// parts went up while it was written; one CopyObject where only attributes changed. Preconditions (promise 4: no lost
/// update): content that keeps part of the old object goes up under `If-Match`, a file made with `O_EXCL` under
/// `If-None-Match: *`, a full replacement without any.
///
/// **A close that is not the last.** A shell's `command > file` opens the file, duplicates the descriptor and closes the first
/// one before anything is written. Storing the empty file at that close would cost a PUT and show others an empty file. So a
/// file made through this handle, with nothing written yet, is left for the close of the process's other descriptor, where
/// the system tells that there is one.
extension BucketFileSystem {
    /// Answers a close that has nothing to store.
    public func flushNow(_ handle: HandleID, by caller: Caller) -> Result<Void, Errno>? {
        guard let file = handles.withLock({ $0.file(handle) }) else { return .failure(.badFileDescriptor) }
        guard file.staged != nil, file.inode.state.withLock({ $0.isDirty }) else { return .success(()) }
        return isNotLast(file, caller) ? .success(()) : nil
    }

    /// Stores what a close finds unstored.
    public func flush(_ handle: HandleID, by caller: Caller) async throws(Errno) {
        guard let file = handles.withLock({ $0.file(handle) }) else { throw .badFileDescriptor }
        guard file.staged != nil else { return }
        try await commit(file.inode)
    }

    private func isNotLast(_ file: OpenFile, _ caller: Caller) -> Bool {
        guard file.isCreator, !file.hasWritten.load(ordering: .relaxed), let probe = options.hasOtherDescriptors,
            file.inode.state.withLock({ $0.isNeverStored && $0.staged?.size == 0 })
        else { return false }
        return probe(caller.pid, file.inode.number)
    }

    /// `FSYNC`
    public func synchronize(_ handle: HandleID) async throws(Errno) {
        guard let file = handles.withLock({ $0.file(handle) }) else { throw .badFileDescriptor }
        try await commit(file.inode)
    }

    /// Stores all that is not stored of a file.
    func commit(_ inode: Inode) async throws(Errno) {
        try await perform("close") {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            try await inode.gate.withLock { try await self.commitHoldingGate(inode) }
        }
    }

    /// Stores all that is not stored of a file. The caller holds the tree's shape and the inode's gate.
    func commitHoldingGate(_ inode: Inode) async throws {
        let state = inode.state.withLock { $0 }
        guard state.isDirty else { return }
        let key = try key(of: inode)
        guard let staged = state.staged, staged.isDirty || state.version == nil else {
            return try await storeAttributes(of: inode, key: key)
        }
        let contentType = state.version == nil ? contentTypes.contentType(for: key) : nil
        let wanted = try state.attributes.metadata(merging: state.metadata, contentType: contentType)
        let result = try await staged.commit(
            key: key, metadata: wanted, if: precondition(for: state, staged: staged),
            readBase: { [weak inode] range, buffer throws(StoreError) in
                guard let reader = inode?.state.withLock({ $0.reader }) else {
                    throw StoreError(.bodyUnreadable, operation: "GetObject", key: key, message: "the file is closed")
                }
                try await reader.read(range, into: buffer)
            })
        let version = ObjectVersion(key: key, etag: result.object.etag, size: result.size)
        noteCommitted(inode, version, stored: result.object, metadata: result.metadata, attributes: state.attributes)
        // What could not go with the upload, because it was begun before: the modes and times that came later.
        if result.needsMetadataRewrite {
            try await storeAttributes(of: inode, key: key)
        }
    }

    private func precondition(for state: Inode.State, staged: StagedFile) -> Precondition {
        if state.isExclusive { return .absent }
        guard staged.keepsBase, let etag = state.version?.etag else { return .none }
        return .matches(etag)
    }

    /// The bucket now has the content: what the mount knows follows.
    private func noteCommitted(
        _ inode: Inode, _ version: ObjectVersion, stored: StoredObject, metadata: ObjectMetadata,
        attributes: StoredAttributes
    ) {
        let now = options.clock.monotonic()
        let lastModified = stored.date ?? Timestamp(seconds: options.clock.wall().seconds)
        let old: ObjectReader? = inode.state.withLock { state in
            let old = state.reader
            state.version = version
            state.size = version.size
            state.lastModified = lastModified
            state.metadata = metadata
            state.seen = now
            state.isComplete = true
            state.isExclusive = false
            if state.attributes == attributes { state.hasUnstoredAttributes = false }
            state.pageCacheVersion = version.etag
            state.reader = state.handles > 0 ? makeReader(version) : nil
            return old
        }
        old?.discard()
        noteStored(inode, .init(size: version.size, etag: version.etag, lastModified: lastModified))
    }

    /// Tells the directory's knowledge that this mount has stored an entry.
    func noteStored(_ inode: Inode, _ object: KnownEntries.Version?) {
        namespace.withLock { namespace in
            guard let node = namespace[inode.node], let parent = node.parent, let name = node.name else { return }
            _ = namespace.updateDirectory(parent) { $0.noteStored(name, object) }
        }
    }

    /// Stores an object's attributes alone: a copy onto itself that replaces the headers, under the condition that the content
    /// is still the one known. A directory's marker is put anew.
    func storeAttributes(of inode: Inode, key: ObjectKey) async throws {
        let state = inode.state.withLock { $0 }
        if inode.type == .directory { return try await storeMarker(of: inode, key: key) }
        guard let version = state.version else { return }
        let metadata = try state.attributes.metadata(merging: state.metadata)
        let stored = try await ServerCopy(store: store, parallel: options.parallelCopies).copy(
            version, to: key, metadata: .replace(metadata))
        let now = options.clock.monotonic()
        let new = ObjectVersion(key: key, etag: stored.etag, size: version.size)
        let lastModified = stored.date ?? Timestamp(seconds: options.clock.wall().seconds)
        inode.state.withLock { current in
            current.version = new
            current.lastModified = lastModified
            current.metadata = metadata
            current.seen = now
            if current.attributes == state.attributes { current.hasUnstoredAttributes = false }
            if current.pageCacheVersion == version.etag { current.pageCacheVersion = new.etag }
            current.reader?.moved(to: new)
            current.staged?.rebase(to: new)
        }
        noteStored(inode, .init(size: new.size, etag: new.etag, lastModified: lastModified))
    }

    /// `FSYNCDIR`: names are stored as they change, so there is nothing to do.
    public func synchronizeDirectory(_ handle: HandleID) async throws(Errno) {
        guard handles.withLock({ $0.directory(handle) }) != nil else { throw .badFileDescriptor }
    }

    // MARK: The end

    /// Stores what is unstored, eight files at a time.
    public func drain() async -> Int {
        lifecycle.withLock { $0.isDraining = true }
        let dirty = namespace.withLock { $0.subtree(of: .root) }.map(\.inode).filter { inode in
            inode.state.withLock { $0.isDirty }
        }
        let failures = Mutex(0)
        await withTaskGroup(of: Void.self) { group in
            var next = dirty.makeIterator()
            func add() {
                guard let inode = next.next() else { return }
                group.addTask {
                    do { try await self.commit(inode) } catch { failures.withLock { $0 += 1 } }
                }
            }
            for _ in 0..<8 { add() }
            while await group.next() != nil { add() }
        }
        return failures.withLock { $0 }
    }
}
