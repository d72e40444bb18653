internal import ObjectStore
import Synchronization
internal import SystemPackage

/// `RENAME` of a directory with all that is below it.
///
/// Every object is copied to its new key, many at once; when the last copy stands, the old keys are deleted, a thousand a
/// request. At every instant each file is present under at least one name. A failed copy takes back what was copied and leaves
/// the directory as it was. Requests: one LIST a thousand objects, one CopyObject an object, one DeleteObjects a thousand.
///
/// The tree's shape is held alone meanwhile: no file below may be stored under a key that is about to go.
extension BucketFileSystem {
    func renameDirectory(_ move: Move) async throws(Errno) {
        try await perform("rename") {
            try await self.treeShape.lock(exclusive: true)
            defer { self.treeShape.unlock(exclusive: true) }
            guard self.namespace.withLock({ $0.child(move.name, of: move.parent)?.inode === move.inode }) else {
                throw Errno.noSuchFileOrDirectory
            }
            let oldKey = try self.key(of: move.inode)
            let path = try self.path(of: move.newName, in: move.newParent)
            let newKey = self.keys.directoryKey(path)
            if let target = move.target { try await self.checkEmpty(target) }
            try await self.storeStreams(below: move.inode)
            try await self.keepDirectory(move.parent)
            let copies = try await self.moveTree(
                from: oldKey, to: newKey, directory: move.inode, isReplacing: move.target != nil)
            self.noteMoved(move, from: oldKey, to: newKey, copies)
        }
    }

    /// Ends the uploads under way below a directory: they are bound to their keys.
    private func storeStreams(below directory: Inode) async throws {
        let inodes = namespace.withLock { $0.subtree(of: directory.node) }.map(\.inode)
        for inode in inodes where inode.state.withLock({ $0.staged?.isStreaming ?? false }) {
            try await inode.gate.withLock { try await commitHoldingGate(inode) }
        }
    }

    /// Returns the ETags of the copies: that of an object uploaded in parts is another one than its source's.
    private func moveTree(from old: ObjectKey, to new: ObjectKey, directory: Inode, isReplacing: Bool) async throws
        -> CopiedKeys
    {
        let copied = CopiedKeys()
        // Objects that another host adds under the old name meanwhile are found by listing again; a few rounds are enough for
        // all but somebody who keeps adding, and what he adds then simply stays under the old name.
        for round in 0..<3 {
            let found = try await listAll(below: old)
            if found.isEmpty, round > 0 { break }
            for object in found where !keys.fits(newPath(object.key, from: old, to: new)) {
                throw Errno.fileNameTooLong
            }
            let below = found.filter { $0.key != old }
            if round > 0 {
                try await copyAll(below, from: old, to: new, noting: copied) {}
                try await deleteAll(found.map(\.key))
                continue
            }
            let state = directory.state.withLock { $0 }
            // The marker comes last: until all copies stand, an empty directory that is to be replaced stays as it is.
            let (stored, metadata) = try await copyAll(
                below, from: old, to: new, noting: copied, takingBack: isReplacing ? [] : [new]
            ) {
                try await self.putMarker(new, attributes: state.attributes, merging: state.metadata, if: .none)
            }
            try await deleteAll(found.map(\.key) + [old])
            directory.state.withLock { state in
                state.version = ObjectVersion(key: new, etag: stored.etag, size: 0)
                state.metadata = metadata
            }
        }
        return copied
    }

    private func newPath(_ key: ObjectKey, from old: ObjectKey, to new: ObjectKey) -> String {
        (String(new.string.utf8.dropFirst(keys.prefix.utf8.count)) ?? "")
            + (String(key.string.utf8.dropFirst(old.utf8Count)) ?? "")
    }

    private func renamed(_ key: ObjectKey, from old: ObjectKey, to new: ObjectKey) -> ObjectKey {
        ObjectKey(new.string + (String(key.string.utf8.dropFirst(old.utf8Count)) ?? ""))
    }

    private func listAll(below prefix: ObjectKey) async throws(StoreError) -> [ListedObject] {
        var found: [ListedObject] = []
        var next: ListContinuation?
        repeat {
            let page = try await store.list(ListRequest(prefix: prefix.string, continuation: next))
            found.append(contentsOf: page.objects)
            next = page.next
        } while next != nil
        return found
    }

    /// Copies all objects, then runs `last`; where either fails, takes back what was copied and the keys `takingBack`.
    private func copyAll<T: Sendable>(
        _ objects: [ListedObject], from old: ObjectKey, to new: ObjectKey, noting all: CopiedKeys,
        takingBack: [ObjectKey] = [],
        last: () async throws -> T
    ) async throws -> T {
        let copied = CopiedKeys()
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                var next = 0
                while next < objects.count {
                    if next >= options.parallelCopies { try await group.next() }
                    let object = objects[next]
                    next += 1
                    let destination = renamed(object.key, from: old, to: new)
                    group.addTask {
                        let etag = try await self.copyOne(object, to: destination)
                        copied.note(destination, from: object.etag, to: etag)
                        all.note(destination, from: object.etag, to: etag)
                    }
                }
                try await group.waitForAll()
            }
            return try await last()
        } catch {
            let keys = copied.keys
            // Taken back in a task of its own: the one at hand may have been interrupted.
            await Task { try? await self.deleteAll(keys + takingBack) }.value
            throw error
        }
    }

    private func copyOne(_ object: ListedObject, to destination: ObjectKey) async throws -> ETag? {
        let version = ObjectVersion(key: object.key, etag: object.etag, size: object.size)
        do throws(StoreError) {
            return try await ServerCopy(store: store, parallel: 4).copy(version, to: destination).etag
        } catch {
            guard object.key.isDirectoryMarker, object.size == 0, error.kind == .notFound else { throw error }
            // Some stores list markers that they cannot copy: put a new one with the same headers.
            let info = try await store.head(object.key)
            return try await store.put(destination, body: ArrayBody([]), metadata: info.metadata, if: .none).etag
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
    private func noteMoved(_ move: Move, from old: ObjectKey, to new: ObjectKey, _ copies: CopiedKeys) {
        let now = options.clock.monotonic()
        namespace.withLock { namespace in
            if let target = move.target {
                target.state.withLock { $0.isUnlinked = true }
            }
            namespace.move(move.inode.node, to: move.newName, in: move.newParent)
            _ = namespace.updateDirectory(move.parent) { $0.noteRemoved(move.name, at: now) }
            _ = namespace.updateDirectory(move.newParent) { $0.noteStored(move.newName, nil) }
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

/// The copies that stand so far.
private final class CopiedKeys: Sendable {
    private let copies = Mutex<[ObjectKey: (source: ETag?, copy: ETag?)]>([:])

    var keys: [ObjectKey] { copies.withLock { Array($0.keys) } }

    func note(_ key: ObjectKey, from source: ETag?, to copy: ETag?) { copies.withLock { $0[key] = (source, copy) } }

    /// The ETag of the copy of a version; nil where another version was copied.
    func etag(of key: ObjectKey, from source: ETag?) -> ETag? {
        copies.withLock { copies in copies[key].flatMap { $0.source == source ? $0.copy : nil } }
    }
}
