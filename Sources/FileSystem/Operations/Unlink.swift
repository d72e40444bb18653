internal import ObjectStore
import Synchronization
public import SystemPackage

/// `UNLINK` and `RMDIR`.
///
/// Requests: one DELETE. A file that somebody has open is copied inside the store to `.pail/unlinked/` first, and removed
/// there at its last close, so that its holders read on. A directory is asked for its first two keys before its marker goes.
/// The last entry of a directory without a marker leaves one behind (one PUT), so that the directory stays.
extension BucketFileSystem {
    /// `UNLINK`
    public func unlink(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) {
        try checkWritable()
        let inode = try await held(name, in: parent)
        defer { forget(inode.node, lookups: 1) }
        guard inode.type != .directory else { throw .isDirectory }
        await settleCopies(of: inode)
        try await perform("unlink", on: [NamePlace(parent: parent, name: name)]) {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            try await inode.gate.withLock {
                guard self.namespace.withLock({ $0.child(name, of: parent)?.inode === inode }) else {
                    throw Errno.noSuchFileOrDirectory
                }
                try await self.storeBeforeUnlinking(inode)
                if let known = inode.state.withLock({ $0.version ?? $0.covered }) {
                    try await self.keepDirectory(parent)
                    try await self.preserveContent(of: inode)
                    try await self.remove(self.key(of: inode), known: known)
                }
                await self.noteRemoved(inode, name, in: parent)
            }
        }
        touch(parent)
    }

    /// The inode of a name, with one lookup counted that the caller gives back.
    func held(_ name: FileName, in parent: NodeID) async throws(Errno) -> Inode {
        let known: Inode? = namespace.withLock { namespace in
            guard let child = namespace.child(name, of: parent)?.inode else { return nil }
            namespace.addLookup(child.node)
            return child
        }
        guard let known else {
            // The kernel has just looked the name up: no need to ask again for what is not there.
            if isKnownAbsent(name, in: parent) { throw .noSuchFileOrDirectory }
            return try await find(name, in: parent)
        }
        if isFresh(known) { return known }
        forget(known.node, lookups: 1)
        return try await find(name, in: parent)
    }

    /// Keeps the stored content of an open file whose key is about to go to another object or to none.
    func preserveContent(of inode: Inode) async throws {
        let (version, isNeeded) = inode.state.withLock { state in
            // Kept already: what was to take the name away failed, and the version may have been looked up since.
            if let hidden = state.hiddenKey { state.version?.key = hidden }
            // The stored size counts, not the file's: a handle may have emptied it and not stored that yet.
            let isEmpty = (state.version?.size ?? 0) == 0
            return (state.version, state.handles > 0 && state.hiddenKey == nil && !isEmpty)
        }
        guard isNeeded, let version else { return }
        let hidden = keys.reservedKey("unlinked/" + String(UInt64.random(in: .min ... .max), radix: 16))
        do throws(StoreError) {
            let stored = try await ServerCopy(store: store, parallel: options.parallelCopies).copy(version, to: hidden)
            let moved = ObjectVersion(key: hidden, etag: stored.etag, size: version.size)
            inode.state.withLock { state in
                state.hiddenKey = hidden
                state.version = moved
                state.reader?.moved(to: moved)
                _ = state.staged?.rebase(to: moved)
            }
        } catch {
            // A version that is gone already was replaced or removed elsewhere: its holders keep what they have.
            guard error.kind == .notFound || error.kind == .preconditionFailed else { throw error }
        }
    }

    /// The name is gone from the bucket: cuts the inode off.
    func noteRemoved(_ inode: Inode, _ name: FileName, in parent: NodeID) async {
        let staged: StagedFile? = inode.state.withLock { state in
            state.isUnlinked = true
            guard state.handles == 0 else { return nil }
            defer { state.staged = nil }
            return state.staged
        }
        let now = options.clock.monotonic()
        namespace.withLock { namespace in
            namespace.detach(inode.node)
            _ = namespace.updateDirectory(parent) { $0.noteRemoved(name, at: now) }
        }
        await staged?.discard()
        await dropKept(of: inode)
    }

    /// `RMDIR`
    public func removeDirectory(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) {
        try checkWritable()
        let inode = try await held(name, in: parent)
        defer { forget(inode.node, lookups: 1) }
        guard inode.type == .directory else { throw .notDirectory }
        try await perform("rmdir", on: [NamePlace(parent: parent, name: name)]) {
            try await self.treeShape.lock(exclusive: true)
            defer { self.treeShape.unlock(exclusive: true) }
            try await self.checkEmpty(inode)
            try await self.keepDirectory(parent)
            try await self.deleteMarkers(of: inode)
            await self.noteRemoved(inode, name, in: parent)
        }
        touch(parent)
    }

    /// Deletes whatever stands for an empty directory.
    func deleteMarkers(of inode: Inode) async throws {
        let key = try key(of: inode)
        try await store.delete(key, if: .none)
        if let other = inode.state.withLock({ $0.version?.key }), other != key {
            try await store.delete(other, if: .none)
        }
    }

    /// Fails with `ENOTEMPTY` where the directory has entries, on the bucket or only here.
    func checkEmpty(_ directory: Inode) async throws {
        let unstored = namespace.withLock { namespace in
            (namespace[directory.node]?.directory?.children ?? [:]).values.contains { id in
                namespace[id]?.inode.state.withLock { $0.isNeverStored && !$0.isUnlinked } ?? false
            }
        }
        if unstored { throw Errno.directoryNotEmpty }
        let key = try key(of: directory)
        let page = try await store.list(ListRequest(prefix: key.string, limit: 2))
        guard page.objects.allSatisfy({ $0.key == key }), page.commonPrefixes.isEmpty else {
            throw Errno.directoryNotEmpty
        }
    }
}
