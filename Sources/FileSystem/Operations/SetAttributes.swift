internal import ObjectStore
import Synchronization
public import SystemPackage

/// `SETATTR` and the extended attributes.
///
/// Requests: none for a file that is open with unstored changes: they go with its commit, in the same PUT. Else one
/// CopyObject onto itself (a directory: one PUT of its marker). A change of size of a file that nobody has open is stored at
/// once: what is kept is copied inside the store.
extension BucketFileSystem {
    /// `SETATTR`
    public func setAttributes(of node: NodeID, handle: HandleID?, to changes: AttributeChanges, by caller: Caller)
        async throws(Errno) -> (FileAttributes, lifetime: Double)
    {
        try checkWritable(orOpen: handle)
        let inode = try inode(node)
        try await refresh(inode)
        if let size = changes.size { try await setSize(of: inode, to: size) }
        let now = options.clock.wall()
        let changesAttributes =
            changes.permissions != nil || changes.owner != nil || changes.group != nil || changes.accessTime != nil
            || changes.modificationTime != nil
        if changesAttributes {
            // A time that is set counts, not that of a read before.
            if changes.accessTime != nil { inode.state.withLock { $0.accessed = nil } }
            try await change(inode, verb: "setattr") { attributes throws(Errno) in
                if let permissions = changes.permissions { attributes.setPermissions(permissions) }
                if let owner = changes.owner { attributes.owner = owner }
                if let group = changes.group { attributes.group = group }
                if let time = changes.accessTime { attributes.accessTime = time.value(now: now) }
                if let time = changes.modificationTime { attributes.modificationTime = time.value(now: now) }
                attributes.changeTime = now
            }
        }
        return reply(inode)
    }

    private func checkWritable(orOpen handle: HandleID?) throws(Errno) {
        if options.isReadOnly { throw .readOnlyFileSystem }
        if handle == nil { try checkWritable() }
    }

    private func setSize(of inode: Inode, to size: Int64) async throws(Errno) {
        guard inode.type == .regular else { throw inode.type == .directory ? .isDirectory : .invalidArgument }
        guard size >= 0 else { throw .invalidArgument }
        // A writer of its own, so that no release takes the staging away meanwhile.
        let staged: StagedFile = try await withComplete(inode) { state in
            state.handles += 1
            state.writers += 1
            if state.reader == nil, let version = state.version { state.reader = makeReader(version) }
            let staged = state.staged ?? makeStagedFile(base: state.version, inode: inode)
            state.staged = staged
            return staged
        }
        var failure: Errno?
        do {
            if staged.size != size {
                try await staged.truncate(to: size)
                noteWrite(inode)
            }
            // Other writers' close will store it; without any, this call has to.
            if inode.state.withLock({ $0.writers == 1 }) { try await commit(inode) }
        } catch {
            failure = error
            if inode.state.withLock({ $0.writers == 1 }) {
                await tellUnstored(inode, error, isLast: inode.state.withLock { $0.handles == 1 })
            }
        }
        inode.state.withLock { state in
            state.handles -= 1
            state.writers -= 1
            state.dropStaged()
            if state.handles == 0 { state.dropReader() }
        }
        if let failure { throw failure }
    }

    /// Changes stored attributes: at once, or with the commit of an open file.
    func change(
        _ inode: Inode, verb: String, _ body: (inout StoredAttributes) throws(Errno) -> Void
    ) async throws(Errno) {
        let change: AttributeChange = try await withComplete(inode) { state throws(Errno) in
            let old = state.attributes
            let wasUnstored = state.hasUnstoredAttributes
            try body(&state.attributes)
            do {
                _ = try state.attributes.metadata(merging: state.metadata)
            } catch {
                state.attributes = old
                throw .noSpace
            }
            if inode.type == .directory { state.touched = nil }
            state.hasUnstoredAttributes = !state.isUnlinked
            return AttributeChange(
                isDeferred: state.writers > 0 || state.isUnlinked, wasUnstored: wasUnstored, old: old,
                new: state.attributes)
        }
        if change.isDeferred { return }
        await settleCopies(of: inode)
        do {
            try await perform(verb) {
                try await self.treeShape.lock(exclusive: false)
                defer { self.treeShape.unlock(exclusive: false) }
                try await inode.gate.withLock {
                    // Whoever came before may have stored these along with his own.
                    guard inode.state.withLock({ $0.hasUnstoredAttributes && !$0.isUnlinked }) else { return }
                    if inode.type == .directory || inode.state.withLock({ !$0.isNeverStored }) {
                        try await self.storeAttributes(of: inode, key: try self.key(of: inode))
                    }
                    await self.keepAgain(inode)
                }
            }
        } catch {
            inode.state.withLock { state in
                state.seen = options.clock.monotonic().earlier(by: 1e6)
                // Somebody has changed them further: that change is not to be taken back, and is stored by whoever made it.
                guard state.attributes == change.new else { return }
                state.attributes = change.old
                // What an earlier close failed to store is still to be stored.
                state.hasUnstoredAttributes = change.wasUnstored && !state.isUnlinked
            }
            throw error
        }
    }

    // MARK: Extended attributes

    /// Refuses what asks for extended attributes where there are none. An access control list that is asked for is not there:
    /// `ENOTSUP` would be taken by a kernel that enforces lists for a failure, and each access refused.
    private func checkExtendedAttributes(reading name: String? = nil) throws(Errno) {
        if options.hasExtendedAttributes { return }
        let isList = name.map(AccessControlList.isName) ?? false
        throw isList ? .noData : .notSupported
    }

    /// `GETXATTR` from memory.
    public func extendedAttributeNow(_ name: String, of node: NodeID) -> Result<[UInt8], Errno>? {
        guard let inode = namespace.withLock({ $0[node]?.inode }) else { return .failure(.staleNFSFileHandle) }
        guard isFresh(inode) else { return nil }
        do { return .success(try value(of: name, of: inode)) } catch { return .failure(error) }
    }

    /// `GETXATTR`
    public func extendedAttribute(_ name: String, of node: NodeID) async throws(Errno) -> [UInt8] {
        let inode = try inode(node)
        try await refresh(inode)
        return try value(of: name, of: inode)
    }

    private func value(of name: String, of inode: Inode) throws(Errno) -> [UInt8] {
        try checkExtendedAttributes(reading: name)
        let isList = AccessControlList.isName(name)
        // Where all files show permissions by an option, no list may say otherwise.
        if isList, options.umask != nil { throw .noData }
        let attributes = inode.state.withLock { $0.attributes.extendedAttributes }
        // Without its list, a file whose attributes cannot be read shows its mode; EIO would make it unreachable.
        guard attributes.entries != nil else { throw isList ? .noData : .ioError }
        guard let value = attributes[name] else { throw .noData }
        return value
    }

    /// `LISTXATTR`
    public func extendedAttributeNames(of node: NodeID) async throws(Errno) -> [String] {
        try checkExtendedAttributes()
        let inode = try inode(node)
        try await refresh(inode)
        guard let entries = inode.state.withLock({ $0.attributes.extendedAttributes.entries }) else { throw .ioError }
        return entries.map(\.name)
    }

    /// `SETXATTR`
    public func setExtendedAttribute(
        _ name: String, of node: NodeID, to value: [UInt8], mustCreate: Bool, mustReplace: Bool, by caller: Caller
    ) async throws(Errno) {
        try checkWritable()
        try checkExtendedAttributes()
        let inode = try inode(node)
        let isList = AccessControlList.isName(name)
        if isList {
            if options.umask != nil { throw .notSupportedOnSocket }
            if name == AccessControlList.inherited, inode.type != .directory { throw .permissionDenied }
        }
        try await refresh(inode)
        let now = options.clock.wall()
        try await change(inode, verb: "setxattr") { attributes throws(Errno) in
            guard let entries = attributes.extendedAttributes.entries else { throw .ioError }
            let isThere = entries.contains { $0.name.utf8.elementsEqual(name.utf8) }
            if mustCreate, isThere { throw .fileExists }
            if mustReplace, !isThere { throw .noData }
            if isList {
                guard attributes.setList(name, to: value) else { throw .invalidArgument }
                // As chmod(2): who is not of the file's group cannot give its set-group-id bit.
                if caller.uid != 0, caller.gid != attributes.group { attributes.permissions &= ~0o2000 }
            } else {
                _ = attributes.extendedAttributes.set(name, to: value)
            }
            attributes.changeTime = now
        }
    }

    /// `REMOVEXATTR`
    public func removeExtendedAttribute(_ name: String, of node: NodeID, by caller: Caller) async throws(Errno) {
        try checkWritable()
        try checkExtendedAttributes()
        let inode = try inode(node)
        try await refresh(inode)
        let now = options.clock.wall()
        try await change(inode, verb: "removexattr") { attributes throws(Errno) in
            guard attributes.extendedAttributes.entries != nil else { throw .ioError }
            guard attributes.extendedAttributes[name] != nil else { throw .noData }
            _ = attributes.extendedAttributes.set(name, to: nil)
            attributes.changeTime = now
        }
    }
}

/// A change of an inode's attributes, as it has to be known where it fails.
private struct AttributeChange: Sendable {
    /// A commit will store it.
    var isDeferred: Bool
    /// Earlier changes were not stored yet.
    var wasUnstored: Bool
    /// The attributes before and with it.
    var old: StoredAttributes
    var new: StoredAttributes
}

extension AttributeChanges.Time {
    func value(now: Timestamp) -> Timestamp {
        switch self {
        case .now: now
        case .at(let time): time
        }
    }
}
