internal import Logging
internal import ObjectStore
import Synchronization
public import SystemPackage

/// `FLUSH` (each close(2)), `FSYNC`, and the commit behind them: what is staged of a file becomes its object.
///
/// Requests: none for a file without changes; one PUT for a file below the part size; a multipart upload above it, whose
/// parts went up while it was written; one CopyObject where only attributes changed. Preconditions (promise 4: no lost
/// update): content that keeps part of the old object goes up under `If-Match`, a file made with `O_EXCL` under
/// `If-None-Match: *`, a full replacement without any. What was only appended goes behind another host's version (AppendConflict.swift).
///
/// **A close that is not the last.** A shell's `command > file` opens the file, duplicates the descriptor and closes the first
/// one before anything is written. Storing the empty file at that close would cost a PUT and show others an empty file. So a
/// file made through this handle, with nothing written yet, is left for the close of the process's other descriptor, where
/// the system tells that there is one.
extension BucketFileSystem {
    /// Answers a close that has nothing to store.
    public func flushNow(_ handle: HandleID, by caller: Caller) -> Result<Void, Errno>? {
        guard let file = handles.withLock({ $0.file(handle) }) else { return .failure(.badFileDescriptor) }
        guard file.staged != nil, file.inode.state.withLock({ $0.needsCommit }) else { return .success(()) }
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
        guard let settleKey = options.settleKey, let key = try? key(of: file.inode) else { return }
        try await perform("fsync") { try await settleKey(key.string) }
    }

    /// Stores all that is not stored of a file.
    func commit(_ inode: Inode) async throws(Errno) {
        if inode.state.withLock({ $0.isDirty && !$0.copies.isEmpty }) { await settleCopies(of: inode) }
        try await perform("close") {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            try await inode.gate.withLock { try await self.commitHoldingGate(inode) }
        }
    }

    /// Stores all that is not stored of a file. The caller holds the tree's shape and the inode's gate.
    func commitHoldingGate(_ inode: Inode) async throws {
        let state = inode.state.withLock { $0 }
        if state.isSupersededAndDirty, let staged = state.staged { return try await commitSuperseded(inode, staged) }
        guard state.isDirty else { return }
        let key = try key(of: inode)
        guard let staged = state.staged, staged.isDirty || state.version == nil else {
            try await storeAttributes(of: inode, key: key)
            return await dropKept(of: inode)
        }
        let target = try uploadTarget(for: inode, state, key: key)
        let result: CommitResult
        do throws(StoreError) {
            result = try await replacing(target) { target throws(StoreError) in
                try await staged.commit(
                    key: key, metadata: target.metadata, if: target.precondition, readBase: target.readBase)
            }
        } catch {
            if error.kind == .notFound, staged.base != nil {
                logger.warning("close: \(error): the object that the changes rest on was removed")
                throw Errno.staleNFSFileHandle
            }
            guard error.kind == .preconditionFailed, try await moveChanges(of: inode, staged, key: key) else {
                throw error
            }
            return try await commitHoldingGate(inode)
        }
        let needsRewrite = noteCommitted(inode, result, wanted: target.metadata, attributes: state.attributes)
        // What could not go with the upload, because it was begun before: modes and times that were set since.
        if needsRewrite { try await storeAttributes(of: inode, key: key) }
        await dropKept(of: inode)
    }

    /// What an upload of a file's content makes: for a commit, and for parts that are sent before it.
    func uploadTarget(for inode: Inode, _ state: Inode.State, key: ObjectKey) throws(MetadataTooLarge) -> UploadTarget {
        let contentType = state.version == nil ? contentTypes.contentType(for: key) : nil
        let metadata = try state.storable.metadata(merging: state.metadata, contentType: contentType)
        let (precondition, overtakes) = precondition(for: state, key: key)
        return UploadTarget(
            key: key, metadata: metadata, precondition: precondition, overtakes: overtakes,
            readBase: { [weak inode, self] range, buffer throws(StoreError) in
                guard let inode, let base = inode.state.withLock({ $0.staged?.base }) else {
                    throw StoreError(.bodyUnreadable, operation: "GetObject", key: key, message: "the file is closed")
                }
                try await reader(of: inode, for: base).read(range, into: buffer)
            })
    }

    private func precondition(for state: Inode.State, key: ObjectKey) -> (Precondition, overtakes: Bool) {
        if state.isExclusive { return (.absent, false) }
        let isNew = state.isNeverStored && state.covered == nil
        guard let staged = state.staged else { return (.none, false) }
        // What is appended to goes behind what another host has appended: see AppendConflict.swift.
        if staged.changes == .appends, staged.base == nil, isNew { return (.absent, false) }
        guard staged.keepsBase || staged.changes == .appends, let etag = staged.base?.etag else {
            let known = replacementCondition(isNew ? nil : state.version ?? state.covered, at: key, isAbsent: isNew)
            return known.map { ($0, true) } ?? (isNew ? .presumedAbsent : .none, false)
        }
        return (.matches(etag), false)
    }

    /// The reader of the version that a file's staged changes build on.
    func reader(of inode: Inode, for base: ObjectVersion) -> ObjectReader {
        inode.state.withLock { state in
            if let reader = state.reader, reader.version == base { return reader }
            let reader = makeReader(base)
            state.reader?.discard()
            state.reader = reader
            return reader
        }
    }

    /// The bucket now has the content: what the mount knows follows. Returns whether attributes that somebody set are not
    /// among what was stored.
    ///
    /// An upload's headers are those of the moment when it began. A large file's modification time is then the one of its first
    /// part, here as on the bucket: to correct it would cost a copy of the whole. A time that was set (utimensat(2)) is kept.
    func noteCommitted(
        _ inode: Inode, _ result: CommitResult, wanted: ObjectMetadata, attributes: StoredAttributes
    ) -> Bool {
        let now = options.clock.monotonic()
        let lastModified = result.object.date ?? Timestamp(seconds: options.clock.wall().seconds)
        let version = result.version
        let (old, needsRewrite): (ObjectReader?, Bool) = inode.state.withLock { state in
            let old = state.reader
            let metadata = result.metadata ?? state.metadata
            let wasSet = state.hasUnstoredAttributes
            state.version = version
            state.covered = nil
            state.size = version.size
            state.lastModified = lastModified
            state.metadata = metadata
            state.seen = now
            state.isComplete = true
            state.isExclusive = false
            state.pageCacheVersion = version.etag
            // What was written is in the kernel's pages.
            state.hasServedReads = state.handles > 0
            state.reader = state.handles > 0 ? makeReader(version) : nil
            guard state.attributes == attributes else { return (old, false) }
            if metadata == wanted {
                state.hasUnstoredAttributes = false
            } else if !wasSet {
                state.attributes = StoredAttributes(
                    decoding: metadata, key: version.key, size: version.size, lastModified: lastModified,
                    defaults: defaults)
            }
            return (old, wasSet && metadata != wanted)
        }
        old?.discard()
        noteStored(inode, .init(size: version.size, etag: version.etag, lastModified: lastModified))
        return needsRewrite
    }

    /// Tells the directory's knowledge that this mount has stored an entry.
    func noteStored(_ inode: Inode, _ object: KnownEntries.Version?) {
        let now = options.clock.monotonic()
        namespace.withLock { namespace in
            guard let node = namespace[inode.node], let parent = node.parent, let name = node.name else { return }
            _ = namespace.updateDirectory(parent) { $0.noteStored(name, object, at: now) }
        }
    }

    /// Stores an object's attributes alone: a copy onto itself that replaces the headers, under the condition that the content
    /// is still the one known. A directory's marker is put anew.
    func storeAttributes(of inode: Inode, key: ObjectKey) async throws {
        let state = inode.state.withLock { $0 }
        if inode.type == .directory { return try await storeMarker(of: inode, key: key) }
        guard let version = state.version else { return }
        let metadata = try state.storable.metadata(merging: state.metadata)
        let stored = try await ServerCopy(store: store, parallel: options.parallelCopies).copyLooking(
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
            _ = current.staged?.rebase(to: new)
        }
        noteStored(inode, .init(size: new.size, etag: new.etag, lastModified: lastModified))
    }

    /// `FSYNCDIR`: names are stored as they change, so there is nothing to do.
    public func synchronizeDirectory(_ handle: HandleID) async throws(Errno) {
        guard handles.withLock({ $0.directory(handle) }) != nil else { throw .badFileDescriptor }
    }

    // MARK: The end

    /// Stores what is unstored, eight files at a time, and then waits for what the options name: what write-back mode still
    /// has to upload. What cannot be stored is kept on this machine (KeepUnstored.swift).
    public func drain() async -> Int {
        lifecycle.withLock { $0.isDraining = true }
        let failures = await store(namespace.withLock { $0.subtree(of: .root) }.map(\.inode), isLast: true)
        return failures + (await options.settle?() ?? 0)
    }

    /// Stores what is unstored of `inodes`. Returns how many could not be stored.
    /// - Parameter isLast: whether nothing comes after this: what cannot be stored is kept on this machine.
    func store(_ inodes: [Inode], isLast: Bool = false) async -> Int {
        let dirty = inodes.filter { inode in inode.state.withLock { $0.isDirty } }
        return await withTaskGroup(of: Bool.self) { group in
            var failures = 0
            var next = 0
            while next < min(8, dirty.count) {
                addCommit(of: dirty[next], to: &group, isLast: isLast)
                next += 1
            }
            while let isStored = await group.next() {
                if !isStored { failures += 1 }
                guard next < dirty.count else { continue }
                addCommit(of: dirty[next], to: &group, isLast: isLast)
                next += 1
            }
            return failures
        }
    }

    private func addCommit(of inode: Inode, to group: inout TaskGroup<Bool>, isLast: Bool) {
        group.addTask { [self] in
            do {
                try await commit(inode)
                return true
            } catch {
                if isLast { await tellUnstored(inode, error, isLast: true) }
                return false
            }
        }
    }
}
