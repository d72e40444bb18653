internal import Logging
internal import ObjectStore
import Synchronization
internal import SystemPackage

/// The pages of an open directory, asked for as its reader goes on.
///
/// Requests: one LIST a thousand entries. The next page is asked for while the reader is in the one before. Each time he has to wait even
/// so, twice as many pages may be ahead of him, by up to `--list-streams` requests at once (``ListingPlan``): from the third page on, so
/// that a directory of one or two costs what it did. What a guess costs where nothing lies is one LIST.
///
/// What a page tells is kept for lookups (``KnownEntries``) when it is handed out: no guess is believed before the pages meet.
extension BucketFileSystem {
    /// The most pages ahead of a reader, where memory allows.
    private static let mostPagesAhead = 64
    /// For one who asks for attributes as well: he is slower, and they would grow old.
    private static let mostPagesAheadWithAttributes = 8
    /// What a page of a listing may take, in bytes, for the bound by memory.
    private static let bytesOfAPage = 64 << 10

    /// How many streams may list one directory.
    var listStreams: Int {
        lifecycle.withLock { $0.ignoresListStart } ? 1 : max(1, options.listStreams)
    }

    /// Asks for the pages that a reader shall have ahead of him. Returns the request that he waits for; nil where there is none.
    @discardableResult
    func fetchMore(of stream: DirectoryStream, isAwaited: Bool) -> Task<Void, any Error>? {
        stream.state.withLock { state in
            if state.isComplete || state.isReleased { return nil }
            let most = state.wantsAttributes ? Self.mostPagesAheadWithAttributes : Self.mostPagesAhead
            let room = max(2, options.metadataLimit / 16 / Self.bytesOfAPage)
            if isAwaited { state.noteWait(most: min(most, room)) }
            send(state.plan.requests(unread: isAwaited ? 0 : state.unread, window: state.window), of: stream, &state)
            return state.plan.awaited.flatMap { state.requests[$0] }
        }
    }

    private func send(
        _ requests: [ListingPlan.Request], of stream: DirectoryStream, _ state: inout DirectoryStream.State
    ) {
        for request in requests {
            let generation = state.generation
            state.requests[request.id] = Task { [self] in try await fetch(request, of: stream, generation) }
        }
    }

    private func fetch(_ request: ListingPlan.Request, of stream: DirectoryStream, _ generation: Int) async throws {
        let directory = stream.inode.node
        guard let path = namespace.withLock({ $0.path(of: directory) }) else {
            _ = fail(request, of: stream, generation)
            throw Errno.noSuchFileOrDirectory
        }
        let prefix = keys.listingPrefix(path)
        // Before the request: what this mount stores from now on counts more than attributes of what the listing shows.
        let looked = beginLookup(in: directory)
        defer { endLookup(in: looked) }
        let seen = options.clock.monotonic()
        let begun = namespace.withLock { $0.updateDirectory(directory) { $0.known.beginListing() } } ?? 0
        let page: ListPage
        do {
            page = try await store.list(
                ListRequest(
                    prefix: prefix, delimiter: "/", startAfter: request.startAfter.map { prefix + $0 },
                    continuation: request.continuation))
        } catch {
            namespace.withLock { _ = $0.updateDirectory(directory) { $0.known.endListing() } }
            guard fail(request, of: stream, generation) else { return }
            throw error
        }
        let found = listed(page, below: prefix, after: request.lower, seen: seen)
        if stream.state.withLock({ $0.wantsAttributes }), options.attributeCache != nil {
            await recall(Array(found.span.entries), below: prefix, in: directory, seen: seen, isStretch: true)
        }
        let (oddity, isFirst): (ListingPlan.Oddity?, Bool) = namespace.withLock { namespace in
            stream.state.withLock { state in
                guard state.generation == generation, !state.isReleased else {
                    _ = namespace.updateDirectory(directory) { $0.known.endListing() }
                    return (nil, false)
                }
                state.requests[request.id] = nil
                let before = state.plan.oddity
                _ = state.plan.arrived(request.id, found, next: page.next, begun: begun)
                take(state.plan.takePages(), of: request, begun: begun, stream, &state, namespace)
                return (state.plan.oddity, before == nil)
            }
        }
        account(for: stream)
        if let oddity, isFirst { report(oddity, listing: prefix) }
        // The reader may be waiting for other pages than this one.
        fetchMore(of: stream, isAwaited: false)
    }

    /// Gives the reader what he may have now. The pages of other requests than `request` have been waiting.
    private func take(
        _ pages: [ListingPlan.Page], of request: ListingPlan.Request, begun: UInt64, _ stream: DirectoryStream,
        _ state: inout DirectoryStream.State, _ namespace: borrowing Namespace
    ) {
        let directory = stream.inode.node
        var isApplied = false
        for page in pages {
            if page.isBounded {
                _ = namespace.updateDirectory(directory) { directory in
                    if page.id == request.id, page.begun == begun, !isApplied {
                        directory.known.apply(page.span, begun: page.begun)
                        isApplied = true
                    } else {
                        directory.known.applyLate(page.span, begun: page.begun)
                    }
                }
            }
            state.began = min(state.began ?? page.span.seen, page.span.seen)
            state.pages.append(page.span.entries, after: page.span.lower, to: page.span.upper)
        }
        if !isApplied { _ = namespace.updateDirectory(directory) { $0.known.endListing() } }
        guard state.plan.isComplete, !state.isComplete else { return }
        state.isComplete = true
        appendUnstored(to: &state, stream.inode, namespace)
    }

    /// Whether the failure of a request is the reader's.
    private func fail(_ request: ListingPlan.Request, of stream: DirectoryStream, _ generation: Int) -> Bool {
        stream.state.withLock { state in
            guard state.generation == generation, !state.isReleased else { return false }
            state.requests[request.id] = nil
            return state.plan.failed(request.id)
        }
    }

    private func report(_ oddity: ListingPlan.Oddity, listing prefix: String) {
        switch oddity {
        case .disagrees:
            logger.debug("readdir: pages of \"\(prefix)\" do not meet; they are asked for one behind the other")
        case .ignoresStart:
            let isNew = lifecycle.withLock { lifecycle in
                defer { lifecycle.ignoresListStart = true }
                return !lifecycle.ignoresListStart
            }
            if isNew {
                logger.notice(
                    "the store ignores start-after in listings: directories are listed by one request behind the other")
            }
        }
    }
}
