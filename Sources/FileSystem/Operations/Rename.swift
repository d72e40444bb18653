internal import ObjectStore
import Synchronization
public import SystemPackage

/// `RENAME` of one file, link or device; of a directory, see RenameDirectory.swift.
///
/// A bucket has no rename: the object is copied inside the store and the old key deleted, in this order, so that at every
/// instant the content stands under at least one of the names. Requests: one CopyObject, one DELETE; none for a file that was
/// never stored, which just gets its new name at its commit (what it replaces stays on the bucket until then; where it has
/// replaced something under its old name too, one DELETE of that). The copy keeps all headers; the content type follows the new
/// name where it followed the old one.
///
/// What somebody else stores under the old name after the copy stays there (promise 4: no lost update): the rename has been
/// made all the same, of the version that was renamed.
///
/// The goal may become another while a rename waits for its turn, or for its copy. It is then looked up anew.
extension BucketFileSystem {
    /// `RENAME`
    public func rename(
        _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
        by caller: Caller
    ) async throws(Errno) {
        try checkWritable()
        guard flags.isEmpty || flags == .noReplace || flags == .exchange else { throw .invalidArgument }
        if parent == newParent, name == newName { return }
        if flags == .exchange { return try await exchange(name, in: parent, with: newName, in: newParent) }
        // Each round is lost to somebody who has made or taken away the goal meanwhile.
        while try await !renameOnce(
            name, in: parent, to: newName, in: newParent, mayReplace: !flags.contains(.noReplace))
        {
        }
        touch(parent)
        if newParent != parent { touch(newParent) }
    }

    /// Renames, unless the goal turns out to be another one than was looked up: then false, and nothing is renamed.
    private func renameOnce(
        _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, mayReplace: Bool
    ) async throws(Errno) -> Bool {
        let inode = try await held(name, in: parent)
        defer { forget(inode.node, lookups: 1) }
        var target: Inode?
        do { target = try await held(newName, in: newParent) } catch .noSuchFileOrDirectory {} catch { throw error }
        defer { if let target { forget(target.node, lookups: 1) } }
        if inode.type == .directory, namespace.withLock({ $0.isBelow(newParent, inode.node) }) {
            throw .invalidArgument
        }
        if let target {
            if !mayReplace { throw .fileExists }
            if inode.type == .directory, target.type != .directory { throw .notDirectory }
            if inode.type != .directory, target.type == .directory { throw .isDirectory }
        }
        let move = Move(
            inode: inode, name: name, parent: parent, newName: newName, newParent: newParent, target: target)
        _ = try path(of: newName, in: newParent)
        for moved in namespace.withLock({ $0.subtree(of: inode.node) }).map(\.inode) + [target].compactMap({ $0 }) {
            await settleCopies(of: moved)
        }
        return inode.type == .directory
            ? try await renameDirectory(move) : try await renameFile(move, mayReplace: mayReplace)
    }

    /// Whether the goal of a rename still is what was looked up.
    func hasGoal(_ move: Move) -> Bool {
        namespace.withLock { $0.child(move.newName, of: move.newParent)?.inode === move.target }
    }

    /// What is to be renamed.
    struct Move: Sendable {
        var inode: Inode
        var name: FileName
        var parent: NodeID
        var newName: FileName
        var newParent: NodeID
        var target: Inode?

        /// Both names.
        var places: [NamePlace] {
            [NamePlace(parent: parent, name: name), NamePlace(parent: newParent, name: newName)]
        }
    }

    private func renameFile(_ move: Move, mayReplace: Bool) async throws(Errno) -> Bool {
        try await perform("rename", on: move.places) {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            // Two gates are taken in the order of their inodes' numbers: no two renames wait for each other.
            let gates = [move.inode, move.target].compactMap { $0 }.sorted { $0.node < $1.node }.map(\.gate)
            return try await gates[0].withLock {
                if gates.count > 1 {
                    try await gates[1].withLock { try await self.renameHoldingGates(move, mayReplace: mayReplace) }
                } else {
                    try await self.renameHoldingGates(move, mayReplace: mayReplace)
                }
            }
        }
    }

    /// Keeps uploads from beginning while files are on their way to other keys: an upload is bound to its key.
    func setMoving(_ inodes: [Inode], _ isMoving: Bool) {
        for inode in inodes {
            inode.state.withLock { state in
                state.isMoving = isMoving
                if !isMoving { state.dropStaged() }
            }
        }
    }

    private func renameHoldingGates(_ move: Move, mayReplace: Bool) async throws -> Bool {
        let inode = move.inode
        setMoving([inode], true)
        defer { setMoving([inode], false) }
        guard namespace.withLock({ $0.child(move.name, of: move.parent)?.inode === inode }) else {
            throw Errno.noSuchFileOrDirectory
        }
        guard hasGoal(move) else { return false }
        let path = try path(of: move.newName, in: move.newParent)
        let isStored = inode.state.withLock { !$0.isNeverStored }
        if isStored {
            // An upload under way is bound to its key: it ends under the old one.
            try await commitHoldingGate(inode)
            try await keepDirectory(move.parent)
        } else if inode.state.withLock({ $0.staged?.isStreaming ?? false }) {
            try await commitHoldingGate(inode)
        }
        if let target = move.target { try await storeBeforeUnlinking(target) }
        let covered = move.target?.state.withLock { $0.version ?? $0.covered }
        if let target = move.target { try await preserveContent(of: target) }
        var moved: MovedObject?
        var leavesAnother = false
        if let version = inode.state.withLock({ $0.version }) {
            let key = keys.fileKey(path)
            let isAbsent = move.target == nil || covered == nil
            let known =
                store.features.conditionalCopyTargets
                ? replacementCondition(covered ?? nil, at: key, isAbsent: isAbsent) : nil
            moved = try await moveObject(
                move, version, to: key, mayReplace: mayReplace, if: mayReplace ? known ?? .none : .absent)
            guard let moved else { return false }
            leavesAnother = moved.leavesAnother
        } else if var old = inode.state.withLock({ $0.covered }) {
            try await keepDirectory(move.parent)
            old.key = try key(of: inode)
            leavesAnother = try await !VersionDelete(store: store).delete(old)
        } else if inode.mayBeStored {
            try await keepDirectory(move.parent)
            try await store.delete(try self.key(of: inode), if: .none)
        }
        let now = options.clock.monotonic()
        let time = options.clock.wall()
        let replaced: Inode? = namespace.withLock { namespace in
            // What was made there since the last look counts as made before the rename, and is replaced.
            let replaced = namespace.child(move.newName, of: move.newParent)?.inode
            for inode in [move.target, replaced].compactMap({ $0 }) { inode.state.withLock { $0.isUnlinked = true } }
            namespace.move(inode.node, to: move.newName, in: move.newParent)
            _ = namespace.updateDirectory(move.parent) { directory in
                if leavesAnother {
                    directory.noteLost(move.name, at: now)
                } else {
                    directory.noteRemoved(move.name, at: now)
                }
            }
            _ = namespace.updateDirectory(move.newParent) { directory in
                if let moved {
                    directory.noteStored(move.newName, moved.entry, at: now)
                } else if covered == nil {
                    directory.noteRemoved(move.newName, at: now)
                }
            }
            return replaced
        }
        inode.state.withLock { state in
            state.seen = now
            state.attributes.changeTime = time
            state.covered = state.version == nil ? covered : nil
            // What was claimed, and is not stored yet, was the old name.
            if mayReplace { state.isExclusive = false }
        }
        let leftOver: StagedFile? =
            replaced?.state.withLock { state in
                guard state.handles == 0 else { return nil }
                defer { state.staged = nil }
                return state.staged
            } ?? nil
        await leftOver?.discard()
        for inode in [move.target, replaced].compactMap({ $0 }) { await dropKept(of: inode) }
        await keepAgain(inode)
        return true
    }

    /// Whether what has appeared at the goal is the copy itself, which somebody has looked up.
    private func isCopyAtGoal(_ move: Move, _ etag: ETag?) -> Bool {
        namespace.withLock { namespace in
            namespace.child(move.newName, of: move.newParent)?.inode.state.withLock { state in
                etag != nil && state.version?.etag == etag && !state.isLocal
            } ?? false
        }
    }

    /// An object under its new key.
    private struct MovedObject: Sendable {
        /// What a listing will tell of it.
        var entry: KnownEntries.Version
        /// The old key holds another version, which somebody else has stored since.
        var leavesAnother: Bool
    }

    /// Copies an object to its new key and deletes the old one. Nil, and the old one stays, where another goal has appeared
    /// meanwhile.
    private func moveObject(
        _ move: Move, _ version: ObjectVersion, to key: ObjectKey, mayReplace: Bool, if goal: Precondition
    ) async throws -> MovedObject? {
        let inode = move.inode
        // Not the version's own key: that of an open file whose unlink has failed is the one that its content is kept under.
        let oldKey = try self.key(of: inode)
        let state = try await withComplete(inode) { $0 }
        let directive = try movedMetadata(state, from: version.key, to: key)
        let stored: StoredObject
        do throws(StoreError) {
            let target = UploadTarget(
                key: key, metadata: state.metadata, precondition: goal, overtakes: mayReplace && goal != .none)
            stored = try await replacing(target, isCopy: true) { target throws(StoreError) in
                try await ServerCopy(store: store, parallel: options.parallelCopies).copyLooking(
                    version, to: key, metadata: directive, storageClass: state.metadata.storageClass,
                    if: target.precondition)
            }
        } catch {
            // Either condition may have failed, the source's or the goal's: look which.
            if !mayReplace, error.kind == .preconditionFailed, try await store.headOrNil(key) != nil {
                throw Errno.fileExists
            }
            throw error
        }
        // The next round copies once more, over what the file that has appeared may have stored. One that may not replace has
        // made the name its own with the copy.
        if mayReplace, !hasGoal(move), !isCopyAtGoal(move, stored.etag) { return nil }
        let isDeleted = try await VersionDelete(store: store).delete(
            ObjectVersion(key: oldKey, etag: version.etag, size: version.size))
        let new = ObjectVersion(key: key, etag: stored.etag, size: version.size)
        let lastModified = stored.date ?? Timestamp(seconds: options.clock.wall().seconds)
        if case .replace(let metadata) = directive { inode.state.withLock { $0.metadata = metadata } }
        noteObjectMoved(inode, to: new, lastModified: lastModified)
        return MovedObject(
            entry: .init(size: new.size, etag: new.etag, lastModified: lastModified), leavesAnother: !isDeleted)
    }

    /// What becomes of an object's metadata under a new key: the content type follows the name where it followed the old one.
    func movedMetadata(_ state: Inode.State, from oldKey: ObjectKey, to key: ObjectKey) throws -> CopyRequest.Metadata {
        let oldType = contentTypes.contentType(for: oldKey)
        let newType = contentTypes.contentType(for: key)
        guard state.attributes.type == .regular, oldType != newType, state.metadata.contentType == oldType else {
            return .keep
        }
        return .replace(try state.storable.metadata(merging: state.metadata, contentType: newType))
    }

    /// An inode's content stands under another key, or has another ETag: its readers and its changes go on there.
    /// - Parameter lastModified: when the store took it; nil for "now".
    func noteObjectMoved(_ inode: Inode, to new: ObjectVersion, lastModified: Timestamp?) {
        let lastModified = lastModified ?? Timestamp(seconds: options.clock.wall().seconds)
        inode.state.withLock { state in
            if let cached = state.pageCacheVersion, cached == state.version?.etag { state.pageCacheVersion = new.etag }
            state.version = new
            state.lastModified = lastModified
            state.reader?.moved(to: new)
            _ = state.staged?.rebase(to: new)
        }
    }
}
