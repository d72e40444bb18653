internal import ObjectStore
import Synchronization
public import SystemPackage

/// `OPENDIR`, `READDIR`, `READDIRPLUS`.
///
/// Requests: one LIST a thousand entries, the next one sent while the reader is in the one before, and several at once where he goes on
/// faster than they come (DirectoryFetch.swift); none for a directory whose
/// entries are all freshly known, such as one just made. Attributes come with an entry only where they are known: the kernel
/// asks for the others when somebody wants them, and a walker's are then fetched ahead (see ``AttributeWalk``).
extension BucketFileSystem {
    /// `OPENDIR` from memory: no request.
    public func openDirectoryNow(_ node: NodeID) -> Result<HandleID, Errno>? {
        walkAhead(opening: node)
        let fresh = freshSince
        let opened: Result<DirectoryStream, Errno> = namespace.withLock { namespace in
            guard let node = namespace[node] else { return .failure(.staleNFSFileHandle) }
            guard let directory = node.directory else { return .failure(.notDirectory) }
            var state = DirectoryStream.State(streams: listStreams)
            if let spans = directory.known.whole(since: fresh) {
                for span in spans { state.pages.append(span.entries, after: span.lower, to: span.upper) }
                state.isComplete = true
                state.began = options.clock.monotonic()
                appendUnstored(to: &state, node.inode, namespace)
            }
            return .success(DirectoryStream(inode: node.inode, state: state))
        }
        if case .success(let stream) = opened { account(for: stream) }
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
        guard let stream else { return }
        let requests = stream.state.withLock { state in
            state.isReleased = true
            return state.drop()
        }
        for request in requests { request.cancel() }
        account(for: stream)
        metadata.settle()
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
        let (pages, isComplete) = stream.state.withLock { state in
            state.wantsAttributes = plus
            return (state.pages, state.isComplete)
        }
        let start = Self.number(of: cookie)
        switch pages.next(from: start) {
        case .released: return nil
        case .end where !isComplete: return nil
        case .end, .entry: break
        }
        stream.state.withLock { $0.hasEmitted = true }
        if cookie < 1 {
            guard emit(item(".", stream.inode, next: 1)) else { return .success(()) }
        }
        if cookie < 2 {
            guard emit(item("..", parent(of: stream.inode), next: 2)) else { return .success(()) }
        }
        var number = start
        var hasEmitted = cookie < 2
        var isFull = false
        var isAtEnd = false
        namespace.withLock { namespace in
            while case .entry(let entry, let found) = pages.next(from: number) {
                switch emitEntry(entry, at: found, of: stream, in: pages, plus: plus, fresh: fresh, &namespace, emit) {
                case .given: hasEmitted = true
                case .gone: break
                case .full:
                    isFull = true
                    return
                }
                number = found + 1
            }
            isAtEnd = isComplete && pages.next(from: number) == .end
        }
        stream.state.withLock { state in
            state.pages.release(before: start, keeping: Self.pagesKept)
            state.reached = number
        }
        account(for: stream)
        if !isComplete { fetchMore(of: stream, isAwaited: false) }
        if hasEmitted || isAtEnd || isFull { return .success(()) }
        // All that was there is gone since. No entry at all would tell the reader that the directory ends here.
        stream.state.withLock { $0.passed = (start, number) }
        return nil
    }

    /// How many pages behind the reader are held: he may step back by what fills one reply.
    private static let pagesKept = 4

    /// The number of the entry that a reply from `cookie` on begins with.
    private static func number(of cookie: UInt64) -> Int { cookie < 2 ? 0 : Int(clamping: cookie - 2) }

    /// Fetches the page that `cookie` lies in.
    public func prepareDirectory(_ handle: HandleID, from cookie: UInt64) async throws(Errno) {
        guard let stream = handles.withLock({ $0.directory(handle) }) else { throw .badFileDescriptor }
        let start = Self.number(of: cookie)
        try await perform("readdir") {
            while true {
                let (pages, passed) = stream.state.withLock { ($0.pages, $0.passed) }
                switch pages.next(from: passed.from == start ? max(start, passed.to) : start) {
                case .entry: return
                case .released(let page): try await self.fetchAgain(page, of: stream, pages.pages[page])
                case .end:
                    guard let fetch = self.fetchMore(of: stream, isAwaited: true) else { return }
                    try await fetch.value
                }
            }
        }
        keepMetadataBound()
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

    /// What became of an entry.
    private enum Emission {
        /// The reader has it.
        case given
        /// It is not there any more, or is shown under another entry.
        case gone
        /// It did not fit.
        case full
    }

    /// Hands one entry out. A directory of the same name as a file is left out: the file is what a lookup finds, and a name is there
    /// once.
    private func emitEntry(
        _ entry: KnownEntries.Entry, at index: Int, of stream: DirectoryStream, in pages: borrowing DirectoryPages,
        plus: Bool, fresh: Moment, _ namespace: inout Namespace, _ emit: (DirectoryItem) -> Bool
    ) -> Emission {
        if entry.isDirectory, pages.contains(file: entry.name) { return .gone }
        let directory = stream.inode.node
        let began = stream.state.withLock { $0.began }
        if let removed = namespace[directory]?.directory?.removed[entry.name], let began, removed > began,
            namespace.child(entry.name, of: directory) == nil
        {
            return .gone  // Removed here since the listing.
        }
        var inode = namespace.child(entry.name, of: directory)?.inode
        if inode == nil, plus, let resolution = namespace[directory]?.directory?.prefetched[entry.name],
            resolution.seen >= fresh
        {
            inode = install(resolution, as: entry.name, in: directory, &namespace)
        }
        if plus, inode.map({ !isFresh($0) }) ?? showsListed {
            let knowledge = namespace[directory]?.directory?.known.knowledge(of: entry.name) ?? .unknown
            if let known = inode {
                // What the listing shows may be what is known already.
                _ = confirm(known, by: knowledge, fresh: fresh)
            } else if let listed = listedResolution(of: entry.name, in: directory, knowledge, fresh: fresh, namespace) {
                inode = install(listed, as: entry.name, in: directory, &namespace)
            }
        }
        let next = UInt64(index) + 3
        guard let inode else {
            let number = namespace.path(of: entry.name, in: directory).map { namespace.makeNumbers(path: $0).number }
            let item = DirectoryItem(name: entry.name.string, inode: number ?? 2, type: type(of: entry), next: next)
            return emit(item) ? .given : .full
        }
        let isKnown = plus && isFresh(inode)
        let item = DirectoryItem(
            name: entry.name.string, inode: inode.number, type: inode.type, next: next,
            entry: isKnown ? self.entry(for: inode) : nil)
        guard emit(item) else { return .full }
        if isKnown { namespace.addLookup(inode.node) }
        return .given
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
        let requests: [Task<Void, any Error>] = stream.state.withLock { state in
            guard state.hasEmitted, let began = state.began, began < fresh || state.pages.hasReleasedBeginning
            else { return [] }
            let requests = state.drop()
            var anew = DirectoryStream.State(streams: listStreams)
            anew.counted = state.counted
            anew.generation = state.generation + 1
            state = anew
            return requests
        }
        for request in requests { request.cancel() }
    }

    /// Lists a page's stretch again: one LIST a thousand entries that are there now.
    private func fetchAgain(_ page: Int, of stream: DirectoryStream, _ stretch: DirectoryPages.Page) async throws {
        guard let path = namespace.withLock({ $0.path(of: stream.inode.node) }) else {
            throw Errno.noSuchFileOrDirectory
        }
        let prefix = keys.listingPrefix(path)
        var entries: [KnownEntries.Entry] = []
        var next: ListContinuation?
        var isAtEnd = false
        while !isAtEnd {
            let seen = options.clock.monotonic()
            let listed = try await store.list(
                ListRequest(
                    prefix: prefix, delimiter: "/", startAfter: stretch.lower.map { prefix + $0 }, continuation: next))
            let found = self.listed(listed, below: prefix, after: stretch.lower, seen: seen)
            for entry in Array(found.span.entries) + found.rest {
                let isBehind = stretch.upper.map { $0.utf8.lexicographicallyPrecedes(KnownEntries.key(of: entry).utf8) }
                if !(isBehind ?? false) { entries.append(entry) }
            }
            next = listed.next
            let isCovered = stretch.upper.map { upper in
                found.span.upper.map { !$0.utf8.lexicographicallyPrecedes(upper.utf8) } ?? false
            }
            isAtEnd = next == nil || isCovered ?? false
        }
        stream.state.withLock { state in
            if !state.isReleased { state.pages.restore(page, with: entries) }
        }
        account(for: stream)
    }

    /// Adds what exists only here so far, behind the listing. A name may be in both: an unstored file was renamed over a stored
    /// one, which stays on the bucket until the first commit.
    func appendUnstored(
        to state: inout DirectoryStream.State, _ directory: Inode, _ namespace: borrowing Namespace
    ) {
        guard let children = namespace[directory.node]?.directory?.children else { return }
        var unstored: [KnownEntries.Entry] = []
        for (name, id) in children {
            guard let inode = namespace[id]?.inode,
                inode.state.withLock({ $0.isNeverStored && !$0.isUnlinked }), !state.pages.contains(file: name)
            else { continue }
            unstored.append(.init(name: name, object: .init(size: 0, etag: nil, lastModified: mountedAt)))
        }
        if !unstored.isEmpty { state.pages.append(PackedEntries(unstored), after: nil, to: nil) }
    }
}
