internal import ObjectStore
import Synchronization
public import SystemPackage

/// `CREATE`: a new file, opened.
///
/// Requests: none where the name is freshly known not to be there; the file is stored by its first close or fsync, in one PUT
/// with its attributes. With `O_EXCL` one PUT of an empty object under `If-None-Match: *`, before the open returns: a lock file
/// must be nobody else's from that moment, not from its close on. Programs that only copy (``FileSystemOptions/claimsLate``) are spared
/// that: their one PUT, with the content, carries the condition, and their close fails where somebody else was first.
extension BucketFileSystem {
    /// Makes a file in memory.
    public func createNow(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) -> Result<CreateReply, Errno>? {
        guard !claimsNow(flags, caller) else { return nil }
        do { try checkWritable() } catch { return .failure(error) }
        guard isKnownAbsent(name, in: parent) else { return nil }
        do {
            return .success(try makeFile(name, in: parent, permissions: permissions, flags: flags, by: caller))
        } catch {
            // Made by somebody since the look: to be opened, then.
            return error == .fileExists ? nil : .failure(error)
        }
    }

    /// Makes a file after asking the store for the name, or opens what is there.
    public func create(_ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller)
        async throws(Errno) -> CreateReply
    {
        try checkWritable()
        // Somebody may make the name between the look and the making: without `O_EXCL` that one is opened.
        for _ in 0..<3 where !flags.contains(.exclusive) {
            do throws(Errno) {
                return try await createOnce(name, in: parent, permissions: permissions, flags: flags, by: caller)
            } catch {
                guard error == .fileExists else { throw error }
            }
        }
        return try await createOnce(name, in: parent, permissions: permissions, flags: flags, by: caller)
    }

    private func createOnce(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) async throws(Errno) -> CreateReply {
        if !isKnownAbsent(name, in: parent) {
            do {
                let inode = try await find(name, in: parent)
                do {
                    if flags.contains(.exclusive) { throw Errno.fileExists }
                    let open = try await open(inode.node, flags: flags, by: caller)
                    return CreateReply(entry: entry(for: inode), open: open)
                } catch {
                    forget(inode.node, lookups: 1)
                    throw error as? Errno ?? .ioError
                }
            } catch Errno.noSuchFileOrDirectory {
                // Not there: made below.
            } catch {
                throw error as? Errno ?? .ioError
            }
        }
        let reply = try makeFile(name, in: parent, permissions: permissions, flags: flags, by: caller)
        guard claimsNow(flags, caller), let file = handles.withLock({ $0.file(reply.open.handle) }) else {
            return reply
        }
        do {
            try await commit(file.inode)
            noteExclusive(in: parent)
            return reply
        } catch {
            abandon(file.inode, reply)
            doubt(NamePlace(parent: parent, name: name))
            throw error == .staleNFSFileHandle ? .fileExists : error
        }
    }

    /// Whether a new name is to be this mount's alone before open(2) returns.
    private func claimsNow(_ flags: OpenFlags, _ caller: Caller) -> Bool {
        flags.contains(.exclusive) && options.claimsLate?(caller) != true
    }

    /// Whether a name is freshly known not to be there.
    func isKnownAbsent(_ name: FileName, in parent: NodeID) -> Bool {
        let fresh = freshSince
        return namespace.withLock { namespace in
            guard let directory = namespace[parent]?.directory, directory.children[name] == nil else { return false }
            if case .absent(let seen) = directory.known.knowledge(of: name) { return seen >= fresh }
            return false
        }
    }

    private func makeFile(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) throws(Errno) -> CreateReply {
        let path = try path(of: name, in: parent)
        let attributes = try newAttributes(.regular, permissions: permissions, in: parent, by: caller)
        let seen = options.clock.monotonic()
        let inode: Inode? = namespace.withLock { namespace in
            guard namespace[parent]?.directory != nil, namespace.child(name, of: parent) == nil else { return nil }
            let numbers = namespace.makeNumbers(path: path)
            let inode = Inode(
                node: numbers.id,
                state: Inode.State(
                    number: numbers.number, attributes: attributes, seen: seen, isComplete: true, handles: 1,
                    writers: 1, isExclusive: flags.contains(.exclusive)))
            inode.state.withLock { $0.staged = makeStagedFile(base: nil, inode: inode) }
            namespace.insert(inode, as: name, in: parent)
            namespace.addLookup(inode.node)
            return inode
        }
        guard let inode else { throw .fileExists }
        touch(parent)
        keepMetadataBound()
        let file = OpenFile(
            inode: inode, flags: flags, stream: ReadStream(), staged: inode.state.withLock { $0.staged },
            isCreator: true)
        let handle = handles.withLock { $0.add(file) }
        return CreateReply(entry: entry(for: inode), open: OpenReply(handle: handle))
    }

    /// Takes back a file that could not be made on the bucket.
    private func abandon(_ inode: Inode, _ reply: CreateReply) {
        _ = handles.withLock { $0.removeFile(reply.open.handle) }
        inode.state.withLock { state in
            state.isUnlinked = true
            state.handles = 0
            state.writers = 0
            state.staged = nil
        }
        namespace.withLock { namespace in
            namespace.detach(inode.node)
            namespace.forget(inode.node, lookups: 1)
        }
    }

    /// Attributes of something new: the caller's, the directory's group where its set-group-id bit says so (inode(7)), and the
    /// directory's default list, or else the umask, applied to `permissions`.
    func newAttributes(
        _ type: FileType, permissions: UInt32, in parent: NodeID, by caller: Caller, device: UInt64 = 0
    ) throws(Errno) -> StoredAttributes {
        let directory = try inode(parent)
        let parentAttributes = directory.state.withLock { $0.attributes }
        let inherits = parentAttributes.permissions & 0o2000 != 0
        let now = options.clock.wall()
        var attributes = StoredAttributes(
            type: type, permissions: permissions | (inherits && type == .directory ? 0o2000 : 0), owner: caller.uid,
            group: inherits ? parentAttributes.group : caller.gid, modificationTime: now, changeTime: now,
            accessTime: now, device: device)
        attributes.inherit(from: parentAttributes, umask: caller.umask)
        return attributes
    }
}
