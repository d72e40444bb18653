internal import ObjectStore
import Synchronization
public import SystemPackage

/// `RENAME` of one file, link or device; of a directory, see RenameDirectory.swift.
///
/// A bucket has no rename: the object is copied inside the store and the old key deleted, in this order, so that at every
/// instant the content stands under at least one of the names. Requests: one CopyObject, one DELETE; none for a file that was
/// never stored, which just gets its new name at its commit. The copy keeps all headers; the content type follows the new
/// name where it followed the old one.
extension BucketFileSystem {
    /// `RENAME`
    public func rename(
        _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
        by caller: Caller
    ) async throws(Errno) {
        try checkWritable()
        guard flags.subtracting(.noReplace).isEmpty else { throw .invalidArgument }
        if parent == newParent, name == newName { return }
        let inode = try await held(name, in: parent)
        defer { forget(inode.node, lookups: 1) }
        var target: Inode?
        do { target = try await held(newName, in: newParent) } catch .noSuchFileOrDirectory {} catch { throw error }
        defer { if let target { forget(target.node, lookups: 1) } }
        if inode.type == .directory, namespace.withLock({ $0.isBelow(newParent, inode.node) }) {
            throw .invalidArgument
        }
        if let target {
            if flags.contains(.noReplace) { throw .fileExists }
            if inode.type == .directory, target.type != .directory { throw .notDirectory }
            if inode.type != .directory, target.type == .directory { throw .isDirectory }
        }
        let move = Move(
            inode: inode, name: name, parent: parent, newName: newName, newParent: newParent, target: target)
        _ = try path(of: newName, in: newParent)
        if inode.type == .directory {
            try await renameDirectory(move)
        } else {
            try await renameFile(move, mayReplace: !flags.contains(.noReplace))
        }
        touch(parent)
        if newParent != parent { touch(newParent) }
    }

    /// What is to be renamed.
    struct Move: Sendable {
        var inode: Inode
        var name: FileName
        var parent: NodeID
        var newName: FileName
        var newParent: NodeID
        var target: Inode?
    }

    private func renameFile(_ move: Move, mayReplace: Bool) async throws(Errno) {
        try await perform("rename") {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            // Two gates are taken in the order of their inodes' numbers: no two renames wait for each other.
            let gates = [move.inode, move.target].compactMap { $0 }.sorted { $0.node < $1.node }.map(\.gate)
            try await gates[0].withLock {
                if gates.count > 1 {
                    try await gates[1].withLock { try await self.renameHoldingGates(move, mayReplace: mayReplace) }
                } else {
                    try await self.renameHoldingGates(move, mayReplace: mayReplace)
                }
            }
        }
    }

    private func renameHoldingGates(_ move: Move, mayReplace: Bool) async throws {
        let inode = move.inode
        guard namespace.withLock({ $0.child(move.name, of: move.parent)?.inode === inode }) else {
            throw Errno.noSuchFileOrDirectory
        }
        let path = try path(of: move.newName, in: move.newParent)
        let isStored = inode.state.withLock { !$0.isNeverStored }
        if isStored {
            // An upload under way is bound to its key: it ends under the old one.
            try await commitHoldingGate(inode)
            try await keepDirectory(move.parent)
        } else if inode.state.withLock({ $0.staged?.isStreaming ?? false }) {
            try await commitHoldingGate(inode)
        }
        if let target = move.target { try await preserveContent(of: target) }
        var entry: KnownEntries.Version?
        if let version = inode.state.withLock({ $0.version }) {
            entry = try await moveObject(of: inode, version, to: keys.fileKey(path), mayReplace: mayReplace)
        }
        let replaced = move.target
        replaced?.state.withLock { $0.isUnlinked = true }
        let now = options.clock.monotonic()
        let time = options.clock.wall()
        namespace.withLock { namespace in
            namespace.move(inode.node, to: move.newName, in: move.newParent)
            _ = namespace.updateDirectory(move.parent) { $0.noteRemoved(move.name, at: now) }
            _ = namespace.updateDirectory(move.newParent) { directory in
                if let entry {
                    directory.noteStored(move.newName, entry)
                } else if replaced == nil || replaced?.state.withLock({ $0.version == nil }) == true {
                    directory.noteRemoved(move.newName, at: now)
                }
            }
        }
        inode.state.withLock { state in
            state.seen = now
            state.attributes.changeTime = time
        }
        let leftOver: StagedFile? =
            replaced?.state.withLock { state in
                guard state.handles == 0 else { return nil }
                defer { state.staged = nil }
                return state.staged
            } ?? nil
        await leftOver?.discard()
    }

    /// Copies an object to its new key and deletes the old one.
    private func moveObject(of inode: Inode, _ version: ObjectVersion, to key: ObjectKey, mayReplace: Bool)
        async throws -> KnownEntries.Version
    {
        let state = inode.state.withLock { $0 }
        let oldType = contentTypes.contentType(for: version.key)
        let newType = contentTypes.contentType(for: key)
        var metadata = state.metadata
        var directive = CopyRequest.Metadata.keep
        if inode.type == .regular, oldType != newType, metadata.contentType == oldType {
            metadata = try state.attributes.metadata(merging: state.metadata, contentType: newType)
            directive = .replace(metadata)
        }
        let stored: StoredObject
        do throws(StoreError) {
            stored = try await ServerCopy(store: store, parallel: options.parallelCopies).copy(
                version, to: key, metadata: directive, if: mayReplace ? .none : .absent)
        } catch {
            // Either condition may have failed, the source's or the goal's: look which.
            if !mayReplace, error.kind == .preconditionFailed, try await headOrNil(key) != nil {
                throw Errno.fileExists
            }
            throw error
        }
        try await store.delete(version.key, if: .none)
        let new = ObjectVersion(key: key, etag: stored.etag, size: version.size)
        let lastModified = stored.date ?? Timestamp(seconds: options.clock.wall().seconds)
        inode.state.withLock { state in
            state.version = new
            state.metadata = metadata
            state.lastModified = lastModified
            if state.pageCacheVersion == version.etag { state.pageCacheVersion = new.etag }
            state.reader?.moved(to: new)
            _ = state.staged?.rebase(to: new)
        }
        return .init(size: new.size, etag: new.etag, lastModified: lastModified)
    }
}
