internal import ObjectStore
import Synchronization

/// Ahead of a walker over a tree of directories: what he opens and looks up next, by few requests and before he asks.
///
/// Somebody who opens one directory of a parent after the other (``TreeWalk``) gets what lies behind the last one by LISTs without a
/// delimiter, a thousand keys each, however many directories that are. Where he has looked up the files of the directory before, and not
/// read them, the headers of what is found are fetched as well, many at a time; a reader's come with his files' bytes. What was
/// found waits in ``WalkAhead`` until it is asked for, as old as its request: no answer is later than it would be without.
///
/// Requests: one LIST a thousand keys in place of one a directory, and one HEAD a file or marker as ever, but for those that
/// this machine's disk knows. A walker who stops has at most ``WalkAhead/mostHeads`` HEADs and a few LISTs for nothing.
extension BucketFileSystem {
    /// A directory is opened: puts in what waits for it, and goes ahead of whoever walks.
    func walkAhead(opening node: NodeID) {
        guard options.walksAhead else { return }
        takeListing(of: node)
        namespace.withLock { namespace in
            guard let place = namespace[node], let parent = place.parent, let name = place.name,
                let path = namespace.path(of: node), let parentPath = namespace.path(of: parent),
                let directory = namespace[parent]?.directory
            else { return }
            let known = directory.known
            let isWalk = directory.tree.open(name.string + "/") { known.entries(after: $0, limit: $1) }
            let before = directory.lastOpened.flatMap { namespace[$0]?.directory }
            directory.lastOpened = node
            guard isWalk, !keys.isReserved(path) else { return }
            let looksUp = before.map { $0.looks > 1 && $0.files.isIdle } ?? false
            let start = keys.listingPrefix(path) + "\u{10FFFD}"
            walk.begin(
                keys.listingPrefix(parentPath), after: start, wantsHeads: looksUp && !showsListed,
                at: options.clock.monotonic())
        }
        goOn()
    }

    /// What was listed ahead of a directory is known of it from now on, unless something fresh is.
    private func takeListing(of node: NodeID) {
        if walk.isEmpty { return }
        let fresh = freshSince
        let found: (prefix: String, begun: UInt64)? = namespace.withLock { namespace in
            guard let path = namespace.path(of: node), let directory = namespace[node]?.directory,
                directory.known.whole(since: fresh) == nil
            else { return nil }
            // First of all: what this mount changes from now on counts more than what waits.
            return (keys.listingPrefix(path), directory.known.beginListing())
        }
        guard let found else { return }
        let listing = walk.takeListing(found.prefix)
        namespace.withLock { namespace in
            _ = namespace.updateDirectory(node) { directory in
                guard let listing else { return directory.known.endListing() }
                directory.known.apply(
                    .init(lower: nil, upper: nil, seen: listing.seen, entries: listing.entries), begun: found.begun)
            }
        }
    }

    /// Asks for the next page of whatever walk wants one.
    private func goOn() {
        guard let run = walk.nextPage(at: options.clock.monotonic()) else { return }
        Task { [self] in await fetch(run) }
    }

    private func fetch(_ run: WalkAhead.Run) async {
        let seen = options.clock.monotonic()
        let page: ListPage
        do throws(StoreError) {
            page = try await store.list(
                ListRequest(
                    prefix: run.prefix, startAfter: run.next == nil ? run.start : nil, continuation: run.next))
        } catch {
            // The walker asks by himself, and hears of it.
            return walk.failed(run.prefix)
        }
        let found = walk.take(page, of: run.prefix, seen: seen).filter { directory in
            !keys.isReserved(String(directory.prefix.utf8.dropFirst(keys.prefix.utf8.count)) ?? "")
        }
        if run.wantsHeads { await expectHeads(of: found) }
        goOn()
    }

    private func expectHeads(of directories: [SubtreeListing.Directory]) async {
        for directory in directories {
            var known: [ObjectKey: WalkAhead.Head] = [:]
            var asked: [ObjectKey] = []
            let marker = ObjectKey(directory.prefix)
            if directory.hasMarker {
                asked.append(marker)
            } else {
                known[marker] = .init(info: nil, seen: directory.seen, isKept: true)
            }
            let listed = directory.entries.compactMap { entry in
                entry.object.map {
                    ListedObject(
                        key: ObjectKey(directory.prefix + entry.name.string), size: $0.size, etag: $0.etag,
                        lastModified: $0.lastModified)
                }
            }
            var kept: [ObjectKey: ObjectInfo] = [:]
            if let cache = options.attributeCache, !cache.isEmpty, !listed.isEmpty {
                kept = await cache.recall(listed, isStretch: true)
            }
            for object in listed {
                if let info = kept[object.key] {
                    known[object.key] = .init(info: info, seen: directory.seen, isKept: true)
                } else {
                    asked.append(object.key)
                }
            }
            walk.expect(known: known, asking: asked, ask)
        }
    }

    private var ask: @Sendable (ObjectKey) async -> WalkAhead.Head? {
        // Not strongly: it is kept for later requests.
        { [weak self] key in
            guard let self else { return nil }
            let seen = options.clock.monotonic()
            do throws(StoreError) {
                return .init(info: try await store.headOrNil(key), seen: seen, isKept: false)
            } catch {
                return nil
            }
        }
    }

    // MARK: Lookups

    /// The key that a name is looked up by, as listings have it; nil where none has told of it.
    private func listedKey(of target: LookupTarget) -> (
        key: ObjectKey, isDirectory: Bool, seen: Moment, barrier: Moment?
    )? {
        namespace.withLock { namespace in
            guard let path = namespace.path(of: target.name, in: target.parent), keys.fits(path),
                !keys.isReserved(path),
                let directory = namespace[target.parent]?.directory,
                case .present(let entry, let seen) = directory.known.knowledge(of: target.name)
            else { return nil }
            let key = entry.isDirectory ? keys.directoryKey(path) : keys.fileKey(path)
            return (key, entry.isDirectory, seen, directory.barrier)
        }
    }

    /// Whether headers of a name wait or are under way.
    func isExpected(_ target: LookupTarget) -> Bool {
        if walk.isEmpty { return false }
        return listedKey(of: target).map { walk.expects($0.key) } ?? false
    }

    /// What was asked for ahead of a lookup. To be called between ``beginLookup(in:)`` and ``endLookup(in:)``: what this mount has changed
    /// before has dropped it.
    func resolveAhead(_ target: LookupTarget) async -> (resolution: Resolution, isKept: Bool)? {
        if walk.isEmpty { return nil }
        guard let listed = listedKey(of: target), let head = await walk.takeHead(listed.key) else { return nil }
        let fresh = freshSince
        guard head.seen >= fresh else {
            walk.expired()
            return nil
        }
        guard listed.barrier.map({ head.seen >= $0 }) ?? true else { return nil }
        if let info = head.info { return (.object(info, key: listed.key, seen: head.seen), head.isKept) }
        // No object stands for the directory, which a fresh listing shows.
        guard listed.isDirectory, listed.seen >= fresh else { return nil }
        return (.impliedDirectory(seen: min(head.seen, listed.seen)), true)
    }
}
