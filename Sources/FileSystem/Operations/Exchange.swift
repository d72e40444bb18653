internal import ObjectStore
import Synchronization
internal import SystemPackage

/// `RENAME` with `RENAME_EXCHANGE`: two names change their files, each being there all the time.
///
/// **Problem.** A bucket can neither rename nor exchange. While one object is copied over the other, the content that it
/// replaces must stand somewhere else, also if this process dies in the middle.
///
/// **Design.** The smaller object is copied aside first, to a key below `.pail/exchange/` that ends in the path that it shall
/// have; then the larger over the smaller, then the kept copy over the larger (see ``ObjectExchange``). Readers follow their
/// content from key to key, and both inodes count as local meanwhile, so that no lookup takes a half-way state in. A file that
/// was never stored needs no object: the other's is copied to the name that it leaves, and its own first commit replaces what
/// stays behind.
///
/// Requests: three CopyObjects and one DELETE for two stored files (none of their bytes pass through this host); one
/// CopyObject where one was never stored; none where neither was. More where one fails: see ``ObjectExchange``.
///
/// **Limits.** Directories are refused (`EINVAL`): one would have to be moved aside object by object, and a process that dies
/// meanwhile would leave a tree, perhaps for ever, where no program on a mount can see it.
extension BucketFileSystem {
    /// Exchanges two names.
    /// - Throws: `ENOENT` where one is not there; `EINVAL` where one is a directory; what the store fails with, and both names
    ///   then have what they had, unless the log says otherwise.
    func exchange(_ name: FileName, in parent: NodeID, with newName: FileName, in newParent: NodeID)
        async throws(Errno)
    {
        // Each round is lost to somebody who has replaced one of the two meanwhile.
        while try await !exchangeOnce(name, in: parent, with: newName, in: newParent) {}
        touch(parent)
        if newParent != parent { touch(newParent) }
    }

    private func exchangeOnce(_ name: FileName, in parent: NodeID, with newName: FileName, in newParent: NodeID)
        async throws(Errno) -> Bool
    {
        let first = try await held(name, in: parent)
        defer { forget(first.node, lookups: 1) }
        let second = try await held(newName, in: newParent)
        defer { forget(second.node, lookups: 1) }
        guard first.type != .directory, second.type != .directory else { throw .invalidArgument }
        for inode in [first, second] { await settleCopies(of: inode) }
        let places = [
            ExchangedPlace(inode: first, name: name, parent: parent),
            ExchangedPlace(inode: second, name: newName, parent: newParent),
        ]
        return try await perform("rename", on: places.map { NamePlace(parent: $0.parent, name: $0.name) }) {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            let gates = places.map(\.inode).sorted { $0.node < $1.node }.map(\.gate)
            return try await gates[0].withLock {
                try await gates[1].withLock { try await self.exchangeHoldingGates(places[0], places[1]) }
            }
        }
    }

    private func exchangeHoldingGates(_ first: ExchangedPlace, _ second: ExchangedPlace) async throws -> Bool {
        let places = [first, second]
        setMoving(places.map(\.inode), true)
        defer { setMoving(places.map(\.inode), false) }
        let isCurrent = namespace.withLock { namespace in
            places.allSatisfy { namespace.child($0.name, of: $0.parent)?.inode === $0.inode }
        }
        guard isCurrent else { return false }
        for inode in places.map(\.inode) {
            // Changes of what is stored go along, and an upload under way is bound to its key: it ends under the old one.
            let mustCommit = inode.state.withLock { !$0.isNeverStored || ($0.staged?.isStreaming ?? false) }
            if mustCommit { try await commitHoldingGate(inode) }
        }
        switch (first.version, second.version) {
        case (let one?, let other?):
            try await exchangeObjects(one.size <= other.size ? places : places.reversed())
        case (_?, nil): try await takeOverName(of: second, by: first)
        case (nil, _?): try await takeOverName(of: first, by: second)
        case (nil, nil):
            let covered = places.map { place in place.inode.state.withLock { $0.covered } }
            for (place, covered) in zip(places, covered.reversed()) {
                place.inode.state.withLock { $0.covered = covered }
            }
        }
        noteExchanged(first, second)
        for inode in places.map(\.inode) { await keepAgain(inode) }
        return true
    }

    // MARK: Both are stored

    private func exchangeObjects(_ places: [ExchangedPlace]) async throws {
        let keys = try places.map { try key(of: $0.inode) }
        var sides: [ObjectExchange.Side] = []
        for (place, goal) in zip(places, keys.reversed()) {
            sides.append(try await side(of: place.inode, movingTo: goal))
        }
        sides[0].key = keys[0]
        sides[1].key = keys[1]
        let inodes = places.map(\.inode)
        let id = "exchange/" + String(UInt64.random(in: .min ... .max), radix: 16)
        let exchange = ObjectExchange(
            copy: ServerCopy(store: store, parallel: options.parallelCopies), logger: logger,
            aside: asideKey(id, for: keys[1], else: "small"),
            asideOfLarge: asideKey(id + "-kept", for: keys[1], else: "large"),
            small: sides[0], large: sides[1]
        ) { side, version, date in
            self.noteObjectMoved(inodes[side == .small ? 0 : 1], to: version, lastModified: date)
        }
        let number = try await options.renameLog?.exchangeBegan(
            UnfinishedExchange(
                small: keys[0], large: keys[1], aside: exchange.aside, asideOfLarge: exchange.asideOfLarge))
        let (result, rest) = await exchange.run()
        if let number {
            switch rest {
            case .nothing: await options.renameLog?.exchangeEnded(number, leaving: nil)
            case .garbage: await options.renameLog?.exchangeEnded(number, leaving: exchange.aside)
            case .unsettled: break
            }
        }
        try result.get()
        for (inode, side) in zip(inodes, sides) {
            if case .replace(let metadata) = side.metadata { inode.state.withLock { $0.metadata = metadata } }
        }
    }

    private func side(of inode: Inode, movingTo goal: ObjectKey) async throws -> ObjectExchange.Side {
        let state = try await withComplete(inode) { $0 }
        guard let version = state.version else { throw Errno.noSuchFileOrDirectory }
        return ObjectExchange.Side(
            key: version.key, version: version, metadata: try movedMetadata(state, from: version.key, to: goal),
            storageClass: state.metadata.storageClass)
    }

    /// Where the smaller object is kept while the other takes its place: the key ends in that of the name which it shall have,
    /// for whoever has to put it there by hand, where that fits.
    private func asideKey(_ id: String, for goal: ObjectKey, else name: String) -> ObjectKey {
        let path = String(goal.string.utf8.dropFirst(keys.prefix.utf8.count)) ?? ""
        let telling = keys.reservedKey(id + "/" + path)
        return telling.utf8Count <= ObjectKey.maximumLength ? telling : keys.reservedKey(id + "/" + name)
    }

    // MARK: One is stored

    /// Copies a stored file to the name of one that was never stored. Its old object stays until that one's first commit.
    private func takeOverName(of unstored: ExchangedPlace, by stored: ExchangedPlace) async throws {
        let goal = try key(of: unstored.inode)
        let key = try key(of: stored.inode)
        let side = try await side(of: stored.inode, movingTo: goal)
        let copy: StoredObject
        do throws(StoreError) {
            copy = try await ServerCopy(store: store, parallel: options.parallelCopies).copyLooking(
                side.version, to: goal, metadata: side.metadata, storageClass: side.storageClass)
        } catch {
            // A copy that may still come stands under the name of a file that will replace it, or takes it along if removed.
            if error.isAmbiguous {
                unstored.inode.state.withLock { state in
                    if state.covered == nil {
                        state.covered = ObjectVersion(key: goal, etag: side.version.etag, size: side.version.size)
                    }
                }
            }
            throw error
        }
        noteObjectMoved(
            stored.inode, to: ObjectVersion(key: goal, etag: copy.etag, size: side.version.size),
            lastModified: copy.date)
        stored.inode.state.withLock { state in
            if case .replace(let metadata) = side.metadata { state.metadata = metadata }
        }
        unstored.inode.state.withLock {
            $0.covered = ObjectVersion(key: key, etag: side.version.etag, size: side.version.size)
        }
    }

    // MARK: The tree follows

    private func noteExchanged(_ first: ExchangedPlace, _ second: ExchangedPlace) {
        let now = options.clock.monotonic()
        let time = options.clock.wall()
        namespace.withLock { namespace in
            namespace.exchange(first.inode.node, second.inode.node)
            for (place, inode) in [(first, second.inode), (second, first.inode)] {
                let (listed, isCovered) = inode.state.withLock { state in
                    (
                        state.version.map {
                            KnownEntries.Version(
                                size: $0.size, etag: $0.etag,
                                lastModified: state.lastModified ?? Timestamp(seconds: time.seconds))
                        }, state.covered != nil
                    )
                }
                _ = namespace.updateDirectory(place.parent) { directory in
                    if let listed {
                        directory.noteStored(place.name, listed, at: now)
                    } else if !isCovered {
                        directory.noteRemoved(place.name, at: now)
                    }
                }
            }
        }
        for inode in [first.inode, second.inode] {
            inode.state.withLock { state in
                state.seen = now
                state.attributes.changeTime = time
            }
        }
    }
}

/// One of the two names of an exchange, with what has it at the beginning.
private struct ExchangedPlace: Sendable {
    var inode: Inode
    var name: FileName
    var parent: NodeID

    var version: ObjectVersion? { inode.state.withLock { $0.version } }
}
