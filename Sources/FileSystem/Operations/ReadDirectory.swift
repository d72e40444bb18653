internal import ObjectStore
import Synchronization
public import SystemPackage

/// `OPENDIR`, `READDIR`, `READDIRPLUS`.
///
/// Requests: one LIST a thousand entries, the next one sent while the reader is in the one before; none for a directory whose
/// entries are all freshly known, such as one just made. Attributes come with an entry only where they are known: the kernel
/// asks for the others when somebody wants them, and a walker's are then fetched ahead (see ``AttributeWalk``).
extension BucketFileSystem {
    /// `OPENDIR` from memory: no request.
    public func openDirectoryNow(_ node: NodeID) -> Result<HandleID, Errno>? {
        let fresh = freshSince
        let opened: Result<DirectoryStream, Errno> = namespace.withLock { namespace in
            guard let node = namespace[node] else { return .failure(.staleNFSFileHandle) }
            guard let directory = node.directory else { return .failure(.notDirectory) }
            var state = DirectoryStream.State()
            if let entries = directory.known.all(since: fresh) {
                state.entries = entries
                state.isComplete = true
                state.began = options.clock.monotonic()
                appendUnstored(to: &state, node.inode, namespace)
            }
            return .success(DirectoryStream(inode: node.inode, state: state))
        }
        return opened.map { stream in handles.withLock { $0.add(stream) } }
    }

    /// `OPENDIR`
    public func openDirectory(_ node: NodeID) async throws(Errno) -> HandleID {
        guard let result = openDirectoryNow(node) else { throw .ioError }
        return try result.get()
    }

    /// `RELEASEDIR`
    public func releaseDirectory(_ handle: HandleID) {
        let stream = handles.withLock { $0.removeDirectory(handle) }
        stream?.state.withLock { $0.fetch }?.cancel()
    }

    /// `READDIR` and `READDIRPLUS` from what has been fetched.
    public func readDirectoryNow(
        _ handle: HandleID, from cookie: UInt64, plus: Bool, emit: (DirectoryItem) -> Bool
    ) -> Result<Void, Errno>? {
        guard let stream = handles.withLock({ $0.directory(handle) }) else { return .failure(.badFileDescriptor) }
        let fresh = freshSince
        if cookie == 0 {
            rewind(stream, fresh: fresh)
            noteAccess(to: stream.inode)
        }
        let (entries, isComplete) = stream.state.withLock { ($0.entries, $0.isComplete) }
        let start = cookie < 2 ? 0 : Int(cookie) - 2
        if start >= entries.count, !isComplete { return nil }
        stream.state.withLock { $0.hasEmitted = true }
        if cookie < 1 {
            guard emit(item(".", stream.inode, next: 1)) else { return .success(()) }
        }
        if cookie < 2 {
            guard emit(item("..", parent(of: stream.inode), next: 2)) else { return .success(()) }
        }
        var index = start
        namespace.withLock { namespace in
            while index < entries.count {
                guard emitEntry(entries[index], at: index, of: stream, plus: plus, fresh: fresh, &namespace, emit)
                else {
                    break
                }
                index += 1
            }
        }
        if !isComplete, index + 1000 > entries.count { startFetch(stream) }
        return .success(())
    }

    /// Fetches the page that `cookie` lies in.
    public func prepareDirectory(_ handle: HandleID, from cookie: UInt64) async throws(Errno) {
        guard let stream = handles.withLock({ $0.directory(handle) }) else { throw .badFileDescriptor }
        let index = cookie < 2 ? 0 : Int(cookie) - 2
        try await perform("readdir") {
            while let fetch = self.startFetch(stream) {
                try await fetch.value
                if stream.state.withLock({ $0.isComplete || $0.entries.count > index }) { return }
            }
        }
    }

    // MARK: Emitting

    private func item(_ name: String, _ inode: Inode, next: UInt64) -> DirectoryItem {
        DirectoryItem(name: name, inode: inode.number, type: .directory, next: next)
    }

    private func parent(of directory: Inode) -> Inode {
        namespace.withLock { namespace in
            namespace[directory.node]?.parent.flatMap { namespace[$0]?.inode } ?? directory
        }
    }

    /// Hands one entry out; false where it did not fit.
    private func emitEntry(
        _ entry: KnownEntries.Entry, at index: Int, of stream: DirectoryStream, plus: Bool, fresh: Moment,
        _ namespace: inout Namespace, _ emit: (DirectoryItem) -> Bool
    ) -> Bool {
        let directory = stream.inode.node
        let began = stream.state.withLock { $0.began }
        if let removed = namespace[directory]?.directory?.removed[entry.name], let began, removed > began,
            namespace.child(entry.name, of: directory) == nil
        {
            return true  // Removed here since the listing.
        }
        var inode = namespace.child(entry.name, of: directory)?.inode
        if inode == nil, plus, let resolution = namespace[directory]?.directory?.prefetched[entry.name],
            resolution.seen >= fresh
        {
            inode = install(resolution, as: entry.name, in: directory, &namespace)
        }
        let next = UInt64(index) + 3
        guard let inode else {
            let number = namespace.path(of: entry.name, in: directory).map { namespace.makeNumbers(path: $0).number }
            return emit(DirectoryItem(name: entry.name.string, inode: number ?? 2, type: type(of: entry), next: next))
        }
        let isKnown = plus && isFresh(inode)
        let item = DirectoryItem(
            name: entry.name.string, inode: inode.number, type: inode.type, next: next,
            entry: isKnown ? self.entry(for: inode) : nil)
        guard emit(item) else { return false }
        if isKnown { namespace.addLookup(inode.node) }
        return true
    }

    /// What a listing tells of an entry's type: a directory's prefix, and that nothing but a regular file is larger than a
    /// symbolic link's target can be. The rest stands in the headers.
    private func type(of entry: KnownEntries.Entry) -> FileType? {
        guard let object = entry.object else { return .directory }
        return object.size > Int64(SymbolicLinkBody.maximumLength) ? .regular : nil
    }

    // MARK: Fetching

    /// A reader that begins anew sees the directory anew.
    private func rewind(_ stream: DirectoryStream, fresh: Moment) {
        stream.state.withLock { state in
            guard state.hasEmitted, let began = state.began, began < fresh, state.fetch == nil else { return }
            state = DirectoryStream.State()
        }
    }

    /// The fetch of the next page: the one under way, or a new one; nil where no page is left.
    @discardableResult
    private func startFetch(_ stream: DirectoryStream) -> Task<Void, any Error>? {
        stream.state.withLock { state in
            if state.isComplete { return nil }
            if let fetch = state.fetch { return fetch }
            let fetch = Task { [self] in
                defer { stream.state.withLock { $0.fetch = nil } }
                try await fetchPage(stream)
            }
            state.fetch = fetch
            return fetch
        }
    }

    private func fetchPage(_ stream: DirectoryStream) async throws {
        let directory = stream.inode.node
        guard let path = namespace.withLock({ $0.path(of: directory) }) else { throw Errno.noSuchFileOrDirectory }
        let prefix = keys.listingPrefix(path)
        let (next, lastKey) = stream.state.withLock { ($0.next, $0.lastKey) }
        let seen = options.clock.monotonic()
        let begun = namespace.withLock { $0.updateDirectory(directory) { $0.known.beginListing() } } ?? 0
        let page: ListPage
        do {
            page = try await store.list(ListRequest(prefix: prefix, delimiter: "/", continuation: next))
        } catch {
            namespace.withLock { _ = $0.updateDirectory(directory) { $0.known.endListing() } }
            throw error
        }
        var span = span(of: page, below: prefix, after: lastKey, seen: seen)
        if page.next != nil, span.upper == nil { span.upper = lastKey }
        namespace.withLock { namespace in
            if span.upper != nil || page.next == nil {
                _ = namespace.updateDirectory(directory) { $0.known.apply(span, begun: begun) }
            } else {
                _ = namespace.updateDirectory(directory) { $0.known.endListing() }
            }
            stream.state.withLock { state in
                if state.began == nil { state.began = seen }
                append(span.entries, to: &state)
                state.next = page.next
                state.lastKey = span.upper
                state.isComplete = page.next == nil
                if state.isComplete { appendUnstored(to: &state, stream.inode, namespace) }
            }
        }
    }

    /// Adds a page's entries. A directory of the same name as a file before it is left out: the file is what a lookup finds,
    /// and a name is there once.
    private func append(_ entries: [KnownEntries.Entry], to state: inout DirectoryStream.State) {
        for entry in entries {
            if entry.isDirectory, Self.contains(file: entry.name, in: state.entries) { continue }
            state.entries.append(entry)
        }
    }

    private static func contains(file name: FileName, in entries: [KnownEntries.Entry]) -> Bool {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let key = KnownEntries.key(of: entries[middle])
            if key.utf8.lexicographicallyPrecedes(name.string.utf8) { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && !entries[low].isDirectory && entries[low].name == name
    }

    /// Adds what exists only here so far, behind the listing. A name may be in both: an unstored file was renamed over a stored
    /// one, which stays on the bucket until the first commit.
    private func appendUnstored(
        to state: inout DirectoryStream.State, _ directory: Inode, _ namespace: borrowing Namespace
    ) {
        guard let children = namespace[directory.node]?.directory?.children else { return }
        let listed = state.entries
        for (name, id) in children {
            guard let inode = namespace[id]?.inode,
                inode.state.withLock({ $0.isNeverStored && !$0.isUnlinked }), !Self.contains(file: name, in: listed)
            else { continue }
            state.entries.append(
                .init(name: name, object: .init(size: 0, etag: nil, lastModified: mountedAt)))
        }
    }
}
