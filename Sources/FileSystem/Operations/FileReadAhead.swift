internal import ObjectStore
import Synchronization

/// Files ahead of a reader of many: fetched whole before they are opened.
///
/// Requests: one GET a file, in place of the HEAD of its lookup and the GET of its first read. ``FileWalk`` says which; what it costs
/// where it is wrong is its window at most. What is answered from a fetch is as old as a HEAD sent at the same moment would be,
/// and grows as old: an open behind the attribute timeout asks the store, and then uses the bytes only if the ETag is theirs.
extension BucketFileSystem {
    /// A name is looked up: fetches ahead what somebody who reads or stats one entry after the other asks for next.
    func readAhead(of name: FileName, in parent: NodeID) {
        _ = namespace.withLock { $0.updateDirectory(parent) { $0.looks += 1 } }
        guard options.readsFilesAhead else { return readAttributesAhead(of: name, in: parent) }
        let room = fetched.room
        let plan: FileWalk.Plan? = namespace.withLock { namespace in
            namespace.updateDirectory(parent) { directory in
                guard !directory.files.isIdle, case .present(let entry, _) = directory.known.knowledge(of: name) else {
                    return nil
                }
                let known = directory.known
                return directory.files.look(at: KnownEntries.key(of: entry), room: room) {
                    known.entries(after: $0, limit: $1)
                }
            } ?? nil
        }
        guard let plan else { return readAttributesAhead(of: name, in: parent) }
        fetch(plan, in: parent)
    }

    /// A file is read from its beginning: fetches ahead what a reader of one file after the other opens next.
    func noteFileRead(_ inode: Inode) {
        guard options.readsFilesAhead else { return }
        let size = inode.state.withLock { $0.size }
        guard size > 0, size <= FileWalk.largestFile else { return }
        let room = fetched.room
        let found: (NodeID, FileWalk.Plan)? = namespace.withLock { namespace in
            guard let node = namespace[inode.node], let parent = node.parent, let name = node.name else { return nil }
            return namespace.updateDirectory(parent) { directory in
                // Without a listing there is no order to walk in.
                guard !directory.known.spans.isEmpty else { return nil }
                let known = directory.known
                let plan = directory.files.read(name.string, room: room) { known.entries(after: $0, limit: $1) }
                return (parent, plan)
            } ?? nil
        }
        if let (parent, plan) = found { fetch(plan, in: parent) }
    }

    /// Hands a reader what was fetched of its version. False where that is still on its way.
    func adoptFetched(_ reader: ObjectReader) -> Bool {
        guard reader.size <= FileWalk.largestFile, !fetched.isEmpty else { return true }
        switch fetched.claim(reader.version) {
        case .none: return true
        case .underWay: return false
        case .here(let slab):
            reader.adopt(slab)
            return true
        }
    }

    // MARK: Fetching

    /// What a fetch ahead of a reader is to bring of a name.
    private enum Want {
        /// Attributes and bytes.
        case all(ObjectVersion)
        /// Bytes: the attributes are known.
        case bytes(ObjectVersion)
        /// Attributes.
        case attributes
        /// Nothing: it is here.
        case nothing
    }

    private func fetch(_ plan: FileWalk.Plan, in parent: NodeID) {
        var attributes: [LookupTarget] = []
        for entry in plan.contents + plan.attributes {
            let target = LookupTarget(parent: parent, name: entry.name)
            switch want(of: entry, target) {
            case .nothing: break
            // What a listing tells is known, or one LIST tells it of all.
            case .attributes where isListedOnly(target): break
            case .all(let version) where isListedOnly(target): fetchBytes(version, of: target)
            case .attributes: attributes.append(target)
            case .bytes(let version): fetchBytes(version, of: target)
            case .all(let version): fetchAll(version, of: target)
            }
        }
        beginLookups(of: attributes, in: parent)
    }

    private func want(of entry: KnownEntries.Entry, _ target: LookupTarget) -> Want {
        let fresh = freshSince
        let (want, version): (Want, ObjectVersion?) = namespace.withLock { namespace in
            let isKnown = isKnown(target, namespace, fresh)
            guard FileWalk.isSmall(entry), let object = entry.object,
                let path = namespace.path(of: entry.name, in: target.parent), keys.fits(path), !keys.isReserved(path)
            else { return (isKnown ? .nothing : .attributes, nil) }
            let version = ObjectVersion(key: keys.fileKey(path), etag: object.etag, size: object.size)
            guard let child = namespace.child(entry.name, of: target.parent)?.inode else {
                return (isKnown ? .bytes(version) : .all(version), version)
            }
            // What is changed here, open, or in the kernel's pages is not read from the store.
            let (isLocal, hasBytes) = child.state.withLock {
                ($0.isLocal || $0.staged != nil, $0.reader != nil || $0.pageCacheVersion == object.etag)
            }
            if isLocal { return (.nothing, nil) }
            if hasBytes { return (isKnown ? .nothing : .attributes, nil) }
            return (isKnown ? .bytes(version) : .all(version), version)
        }
        guard let version, fetched.has(version) else { return want }
        if case .all = want { return .attributes }
        return .nothing
    }

    /// Whether a name's attributes are known freshly.
    private func isKnown(_ target: LookupTarget) -> Bool {
        namespace.withLock { isKnown(target, $0, freshSince) }
    }

    private func isKnown(_ target: LookupTarget, _ namespace: borrowing Namespace, _ fresh: Moment) -> Bool {
        if let ahead = namespace[target.parent]?.directory?.prefetched[target.name] { return ahead.seen >= fresh }
        return isFreshlyKnown(target.name, in: target.parent, copy namespace, fresh)
    }

    private func isListedOnly(_ target: LookupTarget) -> Bool {
        guard showsListed, let path = namespace.withLock({ $0.path(of: target.name, in: target.parent) }) else {
            return false
        }
        return isListedOnly(path)
    }

    private func fetchBytes(_ version: ObjectVersion, of target: LookupTarget) {
        guard let fetch = fetched.begin(version, withHeaders: false, from: store) else { return noteNotFetched(target) }
        Task { [self] in
            if await fetch.headers() == nil { noteNotFetched(target) }
        }
    }

    /// Asks the store for a listed file by a GET of the version that was listed, and notes its attributes for whoever looks it up.
    /// Where that fails, a HEAD tells what is there: the reader is then as well off as without.
    private func fetchAll(_ version: ObjectVersion, of target: LookupTarget) {
        if lookups.isInFlight(target) { return fetchBytes(version, of: target) }
        // First of all: what this mount stores from now on counts more than the answer.
        let directory = beginLookup(in: target.parent)
        let seen = options.clock.monotonic()
        // At once, not in the flight: who opens the file meanwhile shall find the fetch under way.
        let fetch = fetched.begin(version, withHeaders: true, from: store)
        var hasBegun = false
        let noteBegin = {
            hasBegun = true
            return false
        }
        lookups.begin(for: target, unless: noteBegin) { [self] in
            defer { endLookup(in: directory) }
            let resolution: Resolution
            if let info = await fetch?.headers() {
                resolution = .object(info, key: version.key, seen: seen)
            } else {
                noteNotFetched(target)
                resolution = try await resolve(target)
            }
            keepAttributes(resolution)
            notePrefetched(resolution, for: target)
            return resolution
        }
        // Another flight came before: it has the attributes, and the fetch goes on for the bytes.
        if !hasBegun { endLookup(in: directory) }
    }

    private func noteNotFetched(_ target: LookupTarget) {
        namespace.withLock { _ = $0.updateDirectory(target.parent) { $0.files.lost(target.name.string) } }
    }
}
