internal import Logging
internal import ObjectStore
import Synchronization
internal import SystemPackage

/// `RENAME` of a directory with all that is below it.
///
/// Every object is copied to its new key, many at once; when the last copy stands, the old keys are deleted, each only while
/// it holds the version that was copied. At every instant each file is present under at least one name. Nothing that stands
/// under the new name is overwritten. A failed copy takes back what was copied and leaves the directory as it was. Requests:
/// one LIST a thousand objects, and one more; one CopyObject and one DELETE an object. Where the store's DELETE honours no
/// conditions, one LIST and one DeleteObjects a thousand instead of the DELETEs, which leaves a round trip in which another
/// host's version is lost.
///
/// A process that dies in between leaves files under both names; the next mount ends that (see ``RenameLog``, ``RenameRecovery``). So does
/// a store that fails when the old keys, or the copies of a rename that has failed, are to be deleted: they stay, and the log says so.
///
/// The tree's shape is held alone meanwhile: no file below may be stored under a key that is about to go.
extension BucketFileSystem {
    /// Renames a directory. False, and nothing is renamed, where the goal is another one than was looked up.
    func renameDirectory(_ move: Move) async throws(Errno) -> Bool {
        try await perform("rename", on: move.places) {
            try await self.treeShape.lock(exclusive: true)
            defer { self.treeShape.unlock(exclusive: true) }
            guard self.namespace.withLock({ $0.child(move.name, of: move.parent)?.inode === move.inode }) else {
                throw Errno.noSuchFileOrDirectory
            }
            guard self.hasGoal(move) else { return false }
            let oldKey = try self.key(of: move.inode)
            let path = try self.path(of: move.newName, in: move.newParent)
            let newKey = self.keys.directoryKey(path)
            if let target = move.target { try await self.checkEmpty(target) }
            let files = self.namespace.withLock { $0.subtree(of: move.inode.node) }.map(\.inode).filter { inode in
                inode.state.withLock { $0.staged != nil }
            }
            self.setMoving(files, true)
            defer { self.setMoving(files, false) }
            try await self.storeStreams(of: files)
            try await self.keepDirectory(move.parent)
            let number = try await self.options.renameLog?.renameBegan(
                from: oldKey.string, to: newKey.string, replacing: move.target != nil)
            let copies = CopiedKeys()
            let isMoved: Bool
            do {
                let isLeft = try await self.moveTree(
                    move, from: oldKey, to: newKey, noting: copies, loggedAs: number)
                self.noteMoved(move, from: oldKey, to: newKey, copies, leavesAnother: isLeft)
                isMoved = true
            } catch is GoalChanged {
                isMoved = false
            } catch {
                // Only at the end of the mount the next one takes over. While this one goes on, people may make of the two names what
                // they like, equal copies too, and nothing may be removed on the word of an old failure.
                let isNextMounts = copies.areLeft && self.lifecycle.withLock { $0.isDraining }
                if let number, !isNextMounts { await self.options.renameLog?.renameEnded(number) }
                throw error
            }
            if let number { await self.options.renameLog?.renameEnded(number) }
            if isMoved { for inode in files { try await inode.gate.withLock { await self.keepAgain(inode) } } }
            return isMoved
        }
    }

    /// Whether what has appeared at the goal is a directory: the copies themselves, which somebody has looked up, for no
    /// directory is made here meanwhile.
    private func isDirectoryAtGoal(_ move: Move) -> Bool {
        namespace.withLock { $0.child(move.newName, of: move.newParent)?.inode.type == .directory }
    }

    /// Ends the uploads under way below a directory: they are bound to their keys.
    private func storeStreams(of inodes: [Inode]) async throws {
        for inode in inodes where inode.state.withLock({ $0.staged?.isStreaming ?? false }) {
            try await inode.gate.withLock { try await commitHoldingGate(inode) }
        }
    }

    /// Copies all that is below `old` and deletes it there. Returns whether something stays under the old name.
    private func moveTree(
        _ move: Move, from old: ObjectKey, to new: ObjectKey, noting copied: CopiedKeys, loggedAs number: Int64?
    ) async throws -> Bool {
        let directory = move.inode
        let found = try await store.listAll(below: old.string)
        for object in found where !keys.fits(newPath(object.key, from: old, to: new)) {
            throw Errno.fileNameTooLong
        }
        let below = found.filter { $0.key != old }
        let state = try await withComplete(directory) { $0 }
        // The marker comes last: until all copies stand, an empty directory that is to be replaced stays as it is.
        let (stored, metadata) = try await copyAll(
            below, from: old, to: new, noting: copied, takingBack: move.target == nil ? [new] : []
        ) {
            guard hasGoal(move) || isDirectoryAtGoal(move) else { throw GoalChanged() }
            return try await self.putMarker(new, attributes: state.storable, merging: state.metadata, if: .none)
        }
        if let number { try await options.renameLog?.renameDeletes(number) }
        copied.areLeft = true
        try await deleteCopied(below, below: old)
        copied.areLeft = false
        directory.state.withLock { state in
            state.version = ObjectVersion(key: new, etag: stored.etag, size: 0)
            state.metadata = metadata
        }
        // Objects that another host has stored under the old name meanwhile are found by listing again; two rounds are enough
        // for all but somebody who keeps storing, and what he stores then simply stays under the old name. So does what cannot
        // be moved: the rename has been made.
        do {
            for _ in 0..<2 {
                let late = try await store.listAll(below: old.string)
                if late.isEmpty { return false }
                try await moveLate(late, from: old, to: new, noting: copied)
            }
            return try await !store.listAll(below: old.string).isEmpty
        } catch {
            logger.warning("what was stored below \"\(old)\" during its rename stays there: \(error)")
            return true
        }
    }

    /// Moves what has appeared under the old name since the copies: over the copy of its own earlier version, over nothing else.
    private func moveLate(
        _ found: [ListedObject], from old: ObjectKey, to new: ObjectKey, noting copied: CopiedKeys
    ) async throws {
        let movable = found.filter { object in
            guard object.key != old, keys.fits(newPath(object.key, from: old, to: new)) else { return false }
            return !object.isMarker || copied.copy(at: renamed(object.key, from: old, to: new)) == nil
        }
        let moved = Mutex<[ListedObject]>([])
        try await forEach(movable) { object in
            let destination = self.renamed(object.key, from: old, to: new)
            do {
                let earlier = copied.copy(at: destination)
                let precondition = earlier.map { $0.etag.map { .matches($0) } ?? .none } ?? Precondition.absent
                let etag = try await self.copyOne(object, to: destination, if: precondition)
                copied.note(destination, from: object.etag, to: etag, size: object.size)
                moved.withLock { $0.append(object) }
            } catch let error as StoreError where error.kind == .preconditionFailed || error.kind == .notFound {
                // Changed or removed once more.
            } catch Errno.directoryNotEmpty {
                // Somebody has stored under the new name too.
            }
        }
        try await deleteCopied(moved.withLock { $0 } + found.filter { $0.isMarker }, below: old)
    }

    /// A directory's marker: it has no content that could be lost.
    /// Deletes what was copied, as far as it is still the version copied, and the directories that it was in with `prefix`
    /// itself, whether they have markers or not: some stores keep directories of their own, which would stay in listings.
    private func deleteCopied(_ objects: [ListedObject], below prefix: ObjectKey) async throws {
        let files = objects.filter { !$0.isMarker }
        let contents = Set(files.map(\.key))
        let directories = directories(above: objects.map(\.key), below: prefix, sparing: contents) + [prefix]
        if store.features.conditionalDeletes {
            let versions = files.map { ObjectVersion(key: $0.key, etag: $0.etag, size: $0.size) }
            _ = try await VersionDelete(store: store).delete(versions, parallel: options.parallelCopies)
            return try await deleteAll(directories)
        }
        let present = Dictionary(
            uniqueKeysWithValues: try await store.listAll(below: prefix.string).map { ($0.key, $0) })
        try await deleteAll(files.filter { (present[$0.key] ?? $0) == $0 }.map(\.key) + directories)
    }

    /// The markers' keys of the directories that keys below `prefix` lie in, and of those that are keys themselves: the
    /// deepest first, for a store with directories of its own removes none that is not empty.
    private func directories(above keys: [ObjectKey], below prefix: ObjectKey, sparing contents: Set<ObjectKey>)
        -> [ObjectKey]
    {
        var found: Set<ObjectKey> = []
        for key in keys {
            var rest = key.string.utf8[...]
            while let slash = rest.lastIndex(of: UInt8(ascii: "/")) {
                rest = rest[...slash]
                guard rest.count > prefix.utf8Count, let name = String(rest), found.insert(ObjectKey(name)).inserted
                else { break }
                rest = rest.dropLast()
            }
        }
        // A key that ends in a slash may hold content all the same.
        return found.subtracting(contents).sorted(by: >)
    }

    private func newPath(_ key: ObjectKey, from old: ObjectKey, to new: ObjectKey) -> String {
        (String(new.string.utf8.dropFirst(keys.prefix.utf8.count)) ?? "")
            + (String(key.string.utf8.dropFirst(old.utf8Count)) ?? "")
    }

    private func renamed(_ key: ObjectKey, from old: ObjectKey, to new: ObjectKey) -> ObjectKey {
        ObjectKey(new.string + (String(key.string.utf8.dropFirst(old.utf8Count)) ?? ""))
    }

    /// Copies all objects, then runs `last`; where either fails, takes back what was copied and the keys `takingBack`.
    private func copyAll<T: Sendable>(
        _ objects: [ListedObject], from old: ObjectKey, to new: ObjectKey, noting copied: CopiedKeys,
        takingBack: [ObjectKey],
        last: () async throws -> T
    ) async throws -> T {
        do {
            try await forEach(objects) { object in
                let destination = self.renamed(object.key, from: old, to: new)
                do {
                    let etag = try await self.copyOne(object, to: destination, if: .absent)
                    copied.note(destination, from: object.etag, to: etag, size: object.size)
                } catch let error as StoreError where error.isAmbiguous && error.kind != .preconditionFailed {
                    // It may stand all the same: then it has the content of its source, and is taken back with the others.
                    copied.note(destination, from: object.etag, to: object.etag, size: object.size)
                    throw error
                }
            }
            return try await last()
        } catch {
            let versions = copied.versions
            // Taken back in a task of its own: the one at hand may have been interrupted. What somebody has stored over a copy
            // meanwhile stays.
            await Task {
                let files = versions.filter { !$0.key.isDirectoryMarker || $0.size > 0 }
                do {
                    _ = try await VersionDelete(store: store).delete(files, parallel: options.parallelCopies)
                    try await deleteAll(
                        directories(above: versions.map(\.key), below: new, sparing: Set(files.map(\.key))) + takingBack
                    )
                } catch {
                    copied.areLeft = true
                    logger.error(
                        "a rename to \"\(new)\" has failed, and not all of its copies could be removed: \(error)")
                }
            }.value
            throw error
        }
    }

    /// Runs `body` for objects, as many at once as copies may be under way. The first failure ends it, once all that run have.
    private func forEach(
        _ objects: [ListedObject], _ body: @escaping @Sendable (ListedObject) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, object) in objects.enumerated() {
                if index >= options.parallelCopies { try await group.next() }
                group.addTask { try await body(object) }
            }
            try await group.waitForAll()
        }
    }

    private func copyOne(_ object: ListedObject, to destination: ObjectKey, if precondition: Precondition) async throws
        -> ETag?
    {
        let version = ObjectVersion(key: object.key, etag: object.etag, size: object.size)
        // A store that keeps directories of its own has made this one with the first file copied into it.
        let precondition = object.isMarker ? Precondition.none : precondition
        do throws(StoreError) {
            return try await ServerCopy(store: store, parallel: 4).copy(
                version, to: destination, storageClass: object.storageClass, if: precondition
            ).etag
        } catch {
            if object.isMarker, error.kind == .notFound {
                // Some stores list markers that they cannot copy: put a new one with the same headers.
                let info = try await store.head(object.key)
                return try await store.put(destination, body: ArrayBody([]), metadata: info.metadata, if: .none).etag
            }
            // Some stores take no condition with a copy.
            if precondition != .none, error.kind == .notImplemented {
                return try await ServerCopy(store: store, parallel: 4).copy(
                    version, to: destination, storageClass: object.storageClass
                ).etag
            }
            // Either condition may have failed, the source's or the goal's: look which.
            if precondition == .absent, error.kind == .preconditionFailed, try await store.headOrNil(destination) != nil
            {
                throw Errno.directoryNotEmpty
            }
            throw error
        }
    }

    private func deleteAll(_ keys: [ObjectKey]) async throws {
        var rest = keys[...]
        while !rest.isEmpty {
            let failures = try await store.delete(Array(rest.prefix(1000)))
            if let first = failures.first { throw first }
            rest = rest.dropFirst(1000)
        }
    }

    /// The tree follows the bucket: every inode below has a new key.
    private func noteMoved(
        _ move: Move, from old: ObjectKey, to new: ObjectKey, _ copies: CopiedKeys, leavesAnother: Bool
    ) {
        let now = options.clock.monotonic()
        namespace.withLock { namespace in
            // What was made there since the last look counts as made before the rename, and is replaced.
            let late = namespace.child(move.newName, of: move.newParent)?.inode
            for inode in [move.target, late].compactMap({ $0 }) { inode.state.withLock { $0.isUnlinked = true } }
            namespace.move(move.inode.node, to: move.newName, in: move.newParent)
            _ = namespace.updateDirectory(move.parent) { directory in
                if leavesAnother {
                    directory.noteLost(move.name, at: now)
                } else {
                    directory.noteRemoved(move.name, at: now)
                }
            }
            _ = namespace.updateDirectory(move.newParent) { $0.noteStored(move.newName, nil, at: now) }
            for node in namespace.subtree(of: move.inode.node) {
                node.inode.state.withLock { state in
                    guard let version = state.version, version.key.hasPrefix(old.string) else { return }
                    let key = renamed(version.key, from: old, to: new)
                    let etag = copies.etag(of: key, from: version.etag) ?? version.etag
                    let moved = ObjectVersion(key: key, etag: etag, size: version.size)
                    if state.pageCacheVersion == version.etag { state.pageCacheVersion = moved.etag }
                    state.version = moved
                    state.reader?.moved(to: moved)
                    _ = state.staged?.rebase(to: moved)
                }
                _ = namespace.updateDirectory(node.inode.node) { $0.prefetched.removeAll() }
            }
        }
    }
}

/// Another goal has appeared while the copies were made.
private struct GoalChanged: Error {}

/// The copies that stand so far.
private final class CopiedKeys: Sendable {
    /// Whether, if nothing more is done, files stay under both names: the next mount ends that.
    var areLeft: Bool {
        get { isLeft.load(ordering: .relaxed) }
        set { isLeft.store(newValue, ordering: .relaxed) }
    }
    private let isLeft = Atomic(false)
    private let copies = Mutex<[ObjectKey: (source: ETag?, copy: ObjectVersion)]>([:])

    var versions: [ObjectVersion] { copies.withLock { $0.values.map(\.copy) } }

    func note(_ key: ObjectKey, from source: ETag?, to copy: ETag?, size: Int64) {
        copies.withLock { $0[key] = (source, ObjectVersion(key: key, etag: copy, size: size)) }
    }

    /// The copy under a key.
    func copy(at key: ObjectKey) -> ObjectVersion? { copies.withLock { $0[key]?.copy } }

    /// The ETag of the copy of a version; nil where another version was copied.
    func etag(of key: ObjectKey, from source: ETag?) -> ETag? {
        copies.withLock { copies in copies[key].flatMap { $0.source == source ? $0.copy.etag : nil } }
    }
}
