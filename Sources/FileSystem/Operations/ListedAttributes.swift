internal import ObjectStore
import Synchronization
internal import SystemPackage

/// `--attributes=listing`: what a listing tells is all that is shown of a file; no HEAD.
///
/// **Problem.** Mode, owner and exact times of a file cost a HEAD. A data set whose files nobody ever chmods has nothing in those headers that
/// anybody wants to know.
///
/// **Design.** A file shows the size and the time of its listing and the mount's default mode and owner; its inode is *not complete*
/// (`Inode.State.isComplete`). Bytes are read under `If-Match` of the listed ETag. Two things need the headers even so:
/// - What changes a file sends all its headers anew. So it asks for them before: ``complete(_:)``, one HEAD, and the file shows
///   what is stored from then on.
/// - What this mount has stored (``StoredKeys``) is looked up as ever: what somebody sets here stays right here.
///
/// An empty object that keys lie below of is an old form of a directory, or a file: only a HEAD tells.
///
/// **Limits.** Links and devices that others have made show as regular files, holding the link's target or nothing, until something here
/// tries to change them: that finds out (`ESTALE`, behind which the kernel looks the name up again).
///
/// Requests: none for a name that a fresh listing has told of; else one LIST from the name on, which tells of those behind it too.
extension BucketFileSystem {
    /// Whether attributes come from listings.
    var showsListed: Bool { options.attributes == .listing }

    /// Whether a name must be looked up by HEAD although attributes come from listings: this mount has stored it.
    private func isOwn(_ path: String) -> Bool {
        guard let stored = storedKeys else { return true }
        return stored.contains(keys.fileKey(path)) || stored.contains(keys.directoryKey(path))
    }

    /// What a fresh listing tells of a name, where that is all that is to be shown; nil where the store has to be asked. No request.
    func listedResolution(
        of name: FileName, in parent: NodeID, _ knowledge: KnownEntries.Knowledge, fresh: Moment,
        _ namespace: borrowing Namespace
    ) -> Resolution? {
        guard showsListed, case .present(let entry, let seen) = knowledge, seen >= fresh,
            let path = namespace.path(of: name, in: parent), keys.fits(path), !keys.isReserved(path), !isOwn(path)
        else { return nil }
        guard let object = entry.object else { return .listedDirectory(seen: seen) }
        guard object.etag != nil else { return nil }
        if object.size == 0, namespace[parent]?.directory?.known.mayHaveDirectory(name) ?? true { return nil }
        return .listed(object, key: keys.fileKey(path), seen: seen)
    }

    /// Whether the name of a target is to be asked for by a LIST alone.
    func isListedOnly(_ path: String) -> Bool { showsListed && !isOwn(path) }

    /// Asks for a name by one LIST from it on. A HEAD more where that does not tell: an empty object that keys may lie below
    /// of, and one that the store lists without an ETag.
    func resolveListed(_ target: LookupTarget, path: String) async throws -> Resolution {
        let seen = options.clock.monotonic()
        let found = try await listNeighbours(of: target, path: path, seen: seen)
        guard let object = found.object else {
            return found.isDirectory ? .listedDirectory(seen: seen) : .absent(seen: seen)
        }
        let key = keys.fileKey(path)
        if object.etag != nil, object.size > 0 || !found.isDirectory { return .listed(object, key: key, seen: seen) }
        // It may have gone meanwhile.
        guard let info = try await store.headOrNil(key) else {
            return found.isDirectory ? .listedDirectory(seen: seen) : .absent(seen: seen)
        }
        return .object(info, key: key, seen: seen)
    }

    /// Whether a listing confirms what an inode shows. The caller holds its state.
    func confirmListed(_ state: inout Inode.State, by knowledge: KnownEntries.Knowledge, fresh: Moment) -> Bool {
        guard showsListed, case .present(let entry, let seen) = knowledge, seen >= fresh else { return false }
        guard let object = entry.object else {
            guard state.attributes.type == .directory else { return false }
            state.seen = max(state.seen, seen)
            return true
        }
        guard object.etag != nil, object.etag == state.version?.etag, object.size == state.size else { return false }
        // The time of a listing is shown, so it must be this listing's.
        guard state.isComplete || object.lastModified == state.lastModified else { return false }
        state.seen = max(state.seen, seen)
        return true
    }

    /// Takes in that a listing shows the version that an inode has already: what is known of its headers stays. False where it is
    /// another version. The caller holds its state.
    func keepsAttributes(_ state: inout Inode.State, of resolution: Resolution) -> Bool {
        switch resolution {
        case .listedDirectory(let seen):
            guard state.attributes.type == .directory, state.version?.key.isDirectoryMarker ?? true else {
                return false
            }
            state.seen = seen
            return true
        case .listed(let object, let key, let seen):
            guard state.isComplete, object.etag == state.version?.etag, object.size == state.size,
                state.version?.key == key
            else { return false }
            state.seen = seen
            return true
        case .object, .impliedDirectory, .absent: return false
        }
    }

    // MARK: Completing

    /// Runs `body` on an inode's state once its headers are known. Requests: none where they are, else one HEAD.
    /// - Throws: `ENOENT` where its object is gone; `ESTALE` where it turns out to be of another type, or another version that
    ///   its handles cannot go over to.
    func withComplete<T>(
        _ inode: Inode, _ body: (inout Inode.State) throws(Errno) -> T
    ) async throws(Errno) -> T {
        while true {
            let done: T? = try inode.state.withLock { state throws(Errno) -> T? in
                guard state.isComplete || state.isLocal || !showsListed else { return nil }
                return try body(&state)
            }
            if let done { return done }
            try await complete(inode)
        }
    }

    /// Asks for the headers of an inode of which only a listing has told. One HEAD.
    func complete(_ inode: Inode) async throws(Errno) {
        if inode.state.withLock({ $0.isComplete || $0.isLocal }) { return }
        if inode.node == .root { return try await refreshRoot() }
        let place: (target: LookupTarget, path: String)? = namespace.withLock { namespace in
            guard let node = namespace[inode.node], let parent = node.parent, let name = node.name,
                let path = namespace.path(of: inode.node)
            else { return nil }
            return (LookupTarget(parent: parent, name: name), path)
        }
        guard let place else { throw .staleNFSFileHandle }
        let isDirectory = inode.type == .directory
        let key = inode.state.withLock { $0.version?.key } ?? keys.directoryKey(place.path)
        let seen = options.clock.monotonic()
        let info = try await perform("getattr") { try await self.store.headOrNil(key) }
        let resolution: Resolution =
            info.map { .object($0, key: key, seen: seen) }
            ?? (isDirectory ? .impliedDirectory(seen: seen) : .absent(seen: seen))
        let now: Inode? = namespace.withLock { namespace in
            defer { namespace.reap(inode.node) }
            guard let node = namespace[inode.node], node.parent == place.target.parent, node.name == place.target.name
            else { return inode }
            // A listing that came meanwhile is newer than this answer, but does not tell the headers.
            inode.state.withLock { if !$0.isComplete { $0.seen = min($0.seen, seen) } }
            return install(resolution, as: place.target.name, in: place.target.parent, &namespace)
        }
        if now === inode { return }
        throw now == nil ? .noSuchFileOrDirectory : .staleNFSFileHandle
    }
}
