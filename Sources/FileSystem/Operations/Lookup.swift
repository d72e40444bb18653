internal import Logging
internal import ObjectStore
import Synchronization
public import SystemPackage

/// `LOOKUP`: a name becomes an inode.
///
/// Requests: none where the name, or its absence, is known freshly. A name that a listing showed, however long ago, or one
/// that has to be confirmed: one HEAD. One never met: a HEAD and a LIST at once, one round trip; the LIST starts at the name,
/// so that its neighbours, there or not, need none. A directory costs one HEAD more, of its marker.
extension BucketFileSystem {
    /// Answers from memory.
    public func lookupNow(_ name: FileName, in parent: NodeID, by caller: Caller) -> Result<Entry, Errno>? {
        let fresh = freshSince
        let found: Result<Inode, Errno>? = namespace.withLock { namespace in
            guard let node = namespace[parent] else { return .failure(.staleNFSFileHandle) }
            guard let directory = node.directory else { return .failure(.notDirectory) }
            if parent == .root, name.string.utf8.elementsEqual(KeySpace.reservedName.utf8) {
                return .failure(.noSuchFileOrDirectory)
            }
            let knowledge = directory.known.knowledge(of: name)
            if let child = directory.children[name].flatMap({ namespace[$0]?.inode }) {
                guard confirm(child, by: knowledge, fresh: fresh) else { return nil }
                namespace.addLookup(child.node)
                return .success(child)
            }
            if let resolution = directory.prefetched.removeValue(forKey: name) {
                guard resolution.seen >= fresh else {
                    directory.walk.expired()
                    directory.files.expired(name.string)
                    return nil
                }
                guard let inode = install(resolution, as: name, in: parent, &namespace) else {
                    return .failure(.noSuchFileOrDirectory)
                }
                namespace.addLookup(inode.node)
                return .success(inode)
            }
            if case .absent(let seen) = knowledge, seen >= fresh { return .failure(.noSuchFileOrDirectory) }
            guard let listed = listedResolution(of: name, in: parent, knowledge, fresh: fresh, namespace) else {
                return nil
            }
            guard let inode = install(listed, as: name, in: parent, &namespace) else {
                return .failure(.noSuchFileOrDirectory)
            }
            namespace.addLookup(inode.node)
            return .success(inode)
        }
        switch found {
        case .success(let inode):
            readAhead(of: name, in: parent)
            keepMetadataBound()
            return .success(entry(for: inode))
        case .failure(let errno): return .failure(errno)
        case nil: return nil
        }
    }

    /// Answers by asking the store.
    public func lookup(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) -> Entry {
        // The read-ahead may have brought the answer since.
        if let known = lookupNow(name, in: parent, by: caller) { return try known.get() }
        readAhead(of: name, in: parent)
        let target = LookupTarget(parent: parent, name: name)
        if !isExpected(target), await recall([target], in: parent).isEmpty,
            let known = lookupNow(name, in: parent, by: caller)
        {
            return try known.get()
        }
        let inode = try await find(name, in: parent)
        return entry(for: inode)
    }

    /// Asks the store for a name, and counts a lookup of what is there.
    func find(_ name: FileName, in parent: NodeID) async throws(Errno) -> Inode {
        let target = LookupTarget(parent: parent, name: name)
        let fresh = freshSince
        let directory = beginLookup(in: parent)
        defer { endLookup(in: directory) }
        while true {
            let resolution = try await perform("lookup") {
                try await self.lookups.value(for: target, known: { self.takePrefetched(target) }) {
                    try await self.resolveNoting(target)
                }
            }
            // A flight that was joined, and took long: its answer is older than this lookup may be given.
            if resolution.seen < fresh { continue }
            let (isOutdated, inode): (Bool, Inode?) = namespace.withLock { namespace in
                let isOutdated = namespace.updateDirectory(parent) { $0.isOutdated(resolution, for: name) } ?? false
                if isOutdated { return (true, nil) }
                let inode = install(resolution, as: name, in: parent, &namespace)
                _ = namespace.updateDirectory(parent) { $0.prefetched.removeValue(forKey: name) }
                if let inode { namespace.addLookup(inode.node) }
                return (false, inode)
            }
            if isOutdated { continue }
            keepMetadataBound()
            guard let inode else { throw .noSuchFileOrDirectory }
            return inode
        }
    }

    /// Notes that a name of a directory is about to be asked for. Give what it returns to ``endLookup(in:)``.
    func beginLookup(in parent: NodeID) -> Namespace.Directory? {
        namespace.withLock { namespace in
            let directory = namespace[parent]?.directory
            directory?.beginLookup()
            return directory
        }
    }

    /// The same directory as at the beginning, though its node may have been dropped and made anew.
    func endLookup(in directory: Namespace.Directory?) {
        namespace.withLock { _ in directory?.endLookup() }
    }

    /// Asks the store for a name, and notes the answer for whoever asks next: before the flight is over, so that he finds it or shares the
    /// flight.
    func resolveNoting(_ target: LookupTarget) async throws -> Resolution {
        let directory = beginLookup(in: target.parent)
        defer { endLookup(in: directory) }
        let ahead = await resolveAhead(target)
        let resolution: Resolution
        if let ahead { resolution = ahead.resolution } else { resolution = try await resolve(target) }
        if !(ahead?.isKept ?? false) { keepAttributes(resolution) }
        notePrefetched(resolution, for: target)
        return resolution
    }

    /// Drops lookups that the kernel has forgotten.
    public func forget(_ node: NodeID, lookups count: UInt64) {
        namespace.withLock { $0.forget(node, lookups: count) }
        metadata.settle()
    }

    /// Whether what is known of an inode is fresh, taking in what a listing told of its name since.
    func confirm(_ inode: Inode, by knowledge: KnownEntries.Knowledge, fresh: Moment) -> Bool {
        inode.state.withLock { state in
            if state.isLocal { return true }
            guard state.isComplete || showsListed else { return false }
            if state.seen >= fresh || confirmListed(&state, by: knowledge, fresh: fresh) { return true }
            guard case .present(let entry, let seen) = knowledge, seen >= fresh, let object = entry.object,
                object.etag == state.version?.etag, object.etag != nil, object.size == state.size,
                let lastModified = state.lastModified, object.lastModified.seconds == lastModified.seconds,
                isOlder(lastModified, thanReadAt: state.seen)
            else { return false }
            state.seen = seen
            return true
        }
    }

    /// Whether an object stored at `lastModified` was surely not stored again within the same second after it was read: as
    /// git's index has it, a time is believed only when it is more than two seconds older than the moment of reading.
    func isOlder(_ lastModified: Timestamp, thanReadAt seen: Moment) -> Bool {
        let age = options.clock.monotonic().seconds(since: seen)
        return Double(options.clock.wall().seconds) - age > Double(lastModified.seconds) + 2
    }

    // MARK: Asking the store

    /// What the store says of a name.
    func resolve(_ target: LookupTarget) async throws -> Resolution {
        let path = try path(of: target.name, in: target.parent)
        if isListedOnly(path) { return try await resolveListed(target, path: path) }
        let fresh = freshSince
        typealias Hint = (isDirectory: Bool, isConfirmed: Bool, listed: KnownEntries.Version?)
        let hint = namespace.withLock { namespace -> Hint? in
            guard let directory = namespace[target.parent]?.directory else { return nil }
            if case .present(let entry, let seen) = directory.known.knowledge(of: target.name) {
                return (entry.isDirectory, seen >= fresh, entry.object)
            }
            guard let child = namespace.child(target.name, of: target.parent)?.inode else { return nil }
            return (child.type == .directory, false, nil)
        }
        if let hint {
            let key = hint.isDirectory ? keys.directoryKey(path) : keys.fileKey(path)
            let seen = options.clock.monotonic()
            do throws(StoreError) {
                if let info = try await store.headOrNil(key) { return .object(info, key: key, seen: seen) }
            } catch {
                // As s3fs: a name that is listed and may not be looked at is a file that nobody may touch.
                let isDenied = error.kind == .accessDenied || error.kind == .invalidRequest
                guard isDenied, options.showsDeniedAsNotPermitted, !hint.isDirectory, let listed = hint.listed else {
                    throw error
                }
                return .object(Self.withoutPermissions(listed), key: key, seen: seen)
            }
            if hint.isDirectory && hint.isConfirmed { return .impliedDirectory(seen: seen) }
        }
        return try await resolveUnknown(target, path: path)
    }

    /// What a listing tells of a file, with the mode 0.
    private static func withoutPermissions(_ listed: KnownEntries.Version) -> ObjectInfo {
        var metadata = ObjectMetadata()
        metadata.user[AttributeNames.mode] = "\(FileType.regular.rawValue)"
        return ObjectInfo(size: listed.size, etag: listed.etag, lastModified: listed.lastModified, metadata: metadata)
    }

    /// Asks for a name that nothing is known of: HEAD of the file and LIST from the name on, at once.
    private func resolveUnknown(_ target: LookupTarget, path: String) async throws -> Resolution {
        let key = keys.fileKey(path)
        let seen = options.clock.monotonic()
        async let object = store.headOrNil(key)
        async let isListed = listNeighbours(of: target, path: path, seen: seen).isDirectory
        if let info = try await object {
            // The listing is only worth having; its failure is not the name's.
            _ = try? await isListed
            return .object(info, key: key, seen: seen)
        }
        guard try await isListed else { return .absent(seen: seen) }
        let directoryKey = keys.directoryKey(path)
        let marker = try await store.headOrNil(directoryKey)
        return marker.map { .object($0, key: directoryKey, seen: seen) } ?? .impliedDirectory(seen: seen)
    }

    /// Lists from the name on, keeps what the page tells of its neighbours, and says what there is of the name: an object, a
    /// directory, both or neither.
    func listNeighbours(of target: LookupTarget, path: String, seen: Moment) async throws
        -> (object: KnownEntries.Version?, isDirectory: Bool)
    {
        let parentPrefix = keys.listingPrefix(String(path.utf8.dropLast(target.name.string.utf8.count + 1)) ?? "")
        let (begun, limit): (UInt64, Int) =
            namespace.withLock { namespace in
                namespace.updateDirectory(target.parent) { directory in
                    directory.misses += 1
                    return (directory.known.beginListing(), min(1000, 32 << min(directory.misses, 6)))
                }
            } ?? (UInt64(0), 32)
        let before = target.name.justBefore
        let page: ListPage
        do {
            page = try await store.list(
                ListRequest(
                    prefix: parentPrefix, delimiter: "/", startAfter: before.map { parentPrefix + $0 }, limit: limit))
        } catch {
            namespace.withLock { _ = $0.updateDirectory(target.parent) { $0.known.endListing() } }
            throw error
        }
        let span = listed(page, below: parentPrefix, after: before, seen: seen).span
        namespace.withLock { _ = $0.updateDirectory(target.parent) { $0.known.apply(span, begun: begun) } }
        let directoryKey = parentPrefix + target.name.string + "/"
        let place = span.entries.position(of: target.name.string, afterEqual: false)
        let isListed = place < span.entries.count && span.entries.hasKey(target.name.string, at: place)
        let object = isListed ? span.entries[place].object : nil
        if page.commonPrefixes.contains(where: { $0.utf8.elementsEqual(directoryKey.utf8) }) { return (object, true) }
        guard let upper = span.upper, upper.utf8.lexicographicallyPrecedes((target.name.string + "/").utf8) else {
            return (object, false)
        }
        // A file that has bytes wins over the directory.
        if showsListed, let object, object.size > 0 { return (object, false) }
        // Many names lie between `name` and `name/`: ask for the directory alone.
        let own = try await store.list(ListRequest(prefix: directoryKey, limit: 1))
        return (object, !own.objects.isEmpty || !own.commonPrefixes.isEmpty)
    }

    /// A page of a listing as what it tells of the directory. Entries that the kernel cannot show are left out.
    func listed(_ page: ListPage, below listingPrefix: String, after lower: String?, seen: Moment) -> ListedPage {
        var rows: [(key: String, entry: KnownEntries.Entry?)] = []
        rows.reserveCapacity(page.objects.count + page.commonPrefixes.count)
        var hidden = 0
        func add(_ key: String, _ object: ListedObject?) {
            let below = String(key.utf8.dropFirst(listingPrefix.utf8.count)) ?? ""
            // The directory's own marker, and what is Pail's own, are not shown.
            let isOwn = listingPrefix.utf8.count == keys.prefix.utf8.count && keys.isReserved(below)
            let name = below.isEmpty || isOwn ? nil : KeySpace.name(of: key, below: listingPrefix)
            if name == nil, !below.isEmpty, !isOwn { hidden += 1 }
            let entry = name.map { name in
                KnownEntries.Entry(
                    name: name,
                    object: object.map { .init(size: $0.size, etag: $0.etag, lastModified: $0.lastModified) })
            }
            rows.append((below, entry))
        }
        var objects = page.objects[...]
        // Objects and prefixes come apart, each in order: merge them as the keys go.
        for prefix in page.commonPrefixes {
            while let first = objects.first, first.key.string.utf8.lexicographicallyPrecedes(prefix.utf8) {
                add(first.key.string, first)
                objects.removeFirst()
            }
            add(prefix, nil)
        }
        for object in objects { add(object.key.string, object) }
        if hidden > 0 { reportHidden(hidden, below: listingPrefix) }
        return ListedPage(rows: rows, after: lower, seen: seen, isLast: page.next == nil)
    }

    /// Says once a directory that it holds keys which the kernel cannot show.
    private func reportHidden(_ count: Int, below listingPrefix: String) {
        let isNew = lifecycle.withLock { $0.hiddenNamesReported.insert(listingPrefix).inserted }
        guard isNew else { return }
        logger.warning(
            "\(count) keys below \"\(listingPrefix)\" are hidden: their names are empty, \".\", \"..\", over 255 bytes or hold NUL, which no file can have"
        )
    }

    // MARK: Taking the answer in

    /// Makes the tree agree with what the store said of a name, unless the mount knows better since. Returns the inode that
    /// the name now has.
    func install(_ resolution: Resolution, as name: FileName, in parent: NodeID, _ namespace: inout Namespace) -> Inode?
    {
        guard let directory = namespace[parent]?.directory else { return nil }
        if let child = namespace.child(name, of: parent)?.inode {
            let isNewer = child.state.withLock { $0.isLocal || $0.seen > resolution.seen }
            if isNewer { return child }
            return replace(child, by: resolution, as: name, in: parent, &namespace)
        }
        if let removed = directory.removed[name], removed > resolution.seen { return nil }
        return makeInode(resolution, as: name, in: parent, number: nil, &namespace)
    }

    private func replace(
        _ child: Inode, by resolution: Resolution, as name: FileName, in parent: NodeID, _ namespace: inout Namespace
    ) -> Inode? {
        guard let new = state(from: resolution, number: child.number) else {
            supersede(child, &namespace)
            return nil
        }
        if child.state.withLock({ keepsAttributes(&$0, of: resolution) }) { return child }
        let isUpdated = child.state.withLock { state in
            guard new.attributes.type == child.type else { return false }
            if child.type != .directory, new.version?.etag != state.version?.etag || new.size != state.size {
                // Whoever has read from the old version goes on with that: no two versions meet in one handle or in the
                // kernel's pages. The name gets a new inode, which shows the same number.
                if state.handles > 0 && (state.hasServedReads || state.staged != nil) { return false }
                state.reader?.discard()
                state.reader = nil
                state.linkTarget = nil
                state.sizeBelieved = max(state.sizeBelieved ?? 0, state.size)
                if state.handles > 0, let version = new.version { state.reader = makeReader(version) }
            }
            // Where another host has changed something, its word counts, not our reads.
            if new.metadata.user != state.metadata.user || new.version?.etag != state.version?.etag {
                state.accessed = nil
            }
            var attributes = new.attributes
            if child.type == .directory {
                // Entries made or removed here moved the directory's times; nobody stores that.
                attributes.modificationTime = max(
                    attributes.modificationTime, state.touched ?? attributes.modificationTime)
                attributes.changeTime = max(attributes.changeTime, state.touched ?? attributes.changeTime)
            }
            state.attributes = attributes
            state.metadata = new.metadata
            state.size = new.size
            state.version = new.version
            state.lastModified = new.lastModified
            state.seen = new.seen
            state.isComplete = new.isComplete
            return true
        }
        if isUpdated { return child }
        let keepsNumber = new.attributes.type == child.type
        supersede(child, &namespace)
        return makeInode(resolution, as: name, in: parent, number: keepsNumber ? child.number : nil, &namespace)
    }

    /// Cuts off an inode whose object somebody else has removed or replaced; it stays for who has it open.
    func supersede(_ inode: Inode, _ namespace: inout Namespace) {
        inode.state.withLock { state in
            state.isUnlinked = true
            state.isSuperseded = true
        }
        namespace.detach(inode.node)
    }

    private func makeInode(
        _ resolution: Resolution, as name: FileName, in parent: NodeID, number: UInt64?, _ namespace: inout Namespace
    ) -> Inode? {
        guard let path = namespace.path(of: name, in: parent) else { return nil }
        let numbers = namespace.makeNumbers(path: path)
        guard let state = state(from: resolution, number: number ?? numbers.number) else { return nil }
        let inode = Inode(node: numbers.id, state: state)
        namespace.insert(inode, as: name, in: parent)
        return inode
    }

    /// An inode's state as the store tells it; nil for what is not there.
    func state(from resolution: Resolution, number: UInt64) -> Inode.State? {
        switch resolution {
        case .absent: return nil
        case .listed(let object, let key, let seen):
            let attributes = StoredAttributes(
                decoding: ObjectMetadata(), key: key, size: object.size, lastModified: object.lastModified,
                defaults: defaults)
            return Inode.State(
                number: number, attributes: attributes, size: object.size,
                version: ObjectVersion(key: key, etag: object.etag, size: object.size),
                lastModified: object.lastModified, seen: seen)
        case .listedDirectory(let seen):
            let implied = StoredAttributes(impliedDirectoryAt: mountedAt, defaults: defaults)
            return Inode.State(number: number, attributes: implied, seen: seen)
        case .impliedDirectory(let seen):
            let implied = StoredAttributes(
                impliedDirectoryAt: mountedAt, defaults: defaults)
            return Inode.State(number: number, attributes: implied, seen: seen, isComplete: true)
        case .object(let info, let key, let seen):
            var info = info
            if key.isDirectoryMarker { info.metadata = DirectoryMarkerCoding.decode(info.metadata) }
            let attributes = StoredAttributes(decoding: info, key: key, defaults: defaults)
            return Inode.State(
                number: number, attributes: attributes, size: info.size, metadata: info.metadata,
                version: ObjectVersion(key: key, etag: info.etag, size: info.size), lastModified: info.lastModified,
                seen: seen, isComplete: true)
        }
    }

    // MARK: Ahead of a walker

    /// Fetches the attributes of the entries behind `name` when somebody stats one entry after the other.
    func readAttributesAhead(of name: FileName, in parent: NodeID) {
        let targets: [LookupTarget] = namespace.withLock { namespace in
            let names: [FileName]? = namespace.updateDirectory(parent) { directory in
                guard case .present(let entry, _) = directory.known.knowledge(of: name) else { return [] }
                let known = directory.known
                let ahead = directory.walk.ask(for: KnownEntries.key(of: entry)) { known.entries(after: $0, limit: $1) }
                return ahead.map(\.name).filter { directory.prefetched[$0] == nil }
            }
            let fresh = freshSince
            return (names ?? []).compactMap { name in
                if isFreshlyKnown(name, in: parent, namespace, fresh) { return nil }
                // A LIST for one of them tells of the others.
                if let path = namespace.path(of: name, in: parent), isListedOnly(path) { return nil }
                return LookupTarget(parent: parent, name: name)
            }
        }
        beginLookups(of: targets, in: parent)
    }

    func isFreshlyKnown(_ name: FileName, in parent: NodeID, _ namespace: Namespace, _ fresh: Moment) -> Bool {
        guard let child = namespace.child(name, of: parent)?.inode else { return false }
        return child.state.withLock { $0.isLocal || (($0.isComplete || showsListed) && $0.seen >= fresh) }
    }

    /// What the read-ahead has found of a name since it was last looked for.
    private func takePrefetched(_ target: LookupTarget) -> Resolution? {
        let fresh = freshSince
        return namespace.withLock { namespace in
            namespace.updateDirectory(target.parent) { $0.prefetched.removeValue(forKey: target.name) } ?? nil
        }.flatMap { $0.seen >= fresh ? $0 : nil }
    }

    func notePrefetched(_ resolution: Resolution, for target: LookupTarget) {
        namespace.withLock { notePrefetched(resolution, for: target, &$0) }
    }

    func notePrefetched(_ resolution: Resolution, for target: LookupTarget, _ namespace: inout Namespace) {
        let isOutdated = namespace.updateDirectory(target.parent) { $0.isOutdated(resolution, for: target.name) }
        guard isOutdated == false else { return }
        if namespace.child(target.name, of: target.parent) != nil {
            _ = install(resolution, as: target.name, in: target.parent, &namespace)
            return
        }
        _ = namespace.updateDirectory(target.parent) { directory in
            if let removed = directory.removed[target.name], removed > resolution.seen { return }
            directory.keepPrefetched(resolution, for: target.name, fresh: self.freshSince)
        }
    }
}

extension FileName {
    /// A text that sorts before the name and behind almost all names before it: where a listing shall start to show the name and
    /// its directory. Nil for the beginning of the directory.
    ///
    /// Not the name itself: some stores (SeaweedFS) leave out the common prefix `a/` of a listing that starts after `a`. So the
    /// text must be nobody's name either: it ends in the last private character of Unicode.
    var justBefore: String? {
        var scalars = Array(string.unicodeScalars)
        guard let last = scalars.popLast(), last.value > 0x21 else { return nil }
        // The character before the last one, past what is no character or would be a slash.
        var value = last.value - 1
        if value == 0x2F { value = 0x2E }
        if (0xD800...0xDFFF).contains(value) { value = 0xD7FF }
        scalars.append(Unicode.Scalar(value)!)
        scalars.append("\u{10FFFD}")
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }
}
