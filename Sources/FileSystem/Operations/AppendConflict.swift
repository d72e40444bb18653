internal import Logging
internal import ObjectStore
import Synchronization
internal import SystemPackage

/// Appends that meet another host's version of the file (promise 4: no lost update).
///
/// **Problem.** Two hosts append lines to one log. Each has opened the version that it saw; whoever closes second would either
/// lose the other's lines or fail.
///
/// **Design.** Who opens with `O_APPEND` wants the end, wherever it is. So a file that was changed by appends alone goes up under the
/// condition that the object still is its base (or still is absent), and when that fails, what was appended is put behind the
/// object as it is now, and goes up again: until it holds. Anything else that meets another version fails with `ESTALE`, or
/// with `--on-conflict overwrite` is laid over that version in the same way.
///
/// Requests: one HEAD more for each version met, and the commit's own once more.
///
/// **Limits.** A file that somebody has removed meanwhile is not made anew: `ESTALE`. Readers of the file on this mount see the
/// other's bytes before the appended ones from then on.
extension BucketFileSystem {
    /// Rests what was appended on the object as it is now, or whatever was changed where conflicts are overwritten. False where that
    /// cannot be: the commit has failed.
    func moveChanges(of inode: Inode, _ staged: StagedFile, key: ObjectKey) async throws -> Bool {
        let isAppended = staged.changes == .appends
        guard isAppended || options.overwritesConflicts && staged.base != nil else { return false }
        let seen = options.clock.monotonic()
        guard let info = try await store.headOrNil(key), info.etag != nil else { return false }
        let version = ObjectVersion(key: key, etag: info.etag, size: info.size)
        let theirs = StoredAttributes(decoding: info, key: key, defaults: defaults)
        guard theirs.type == .regular,
            isAppended ? await staged.moveAppends(behind: version) : await staged.moveChanges(onto: version)
        else { return false }
        let old: ObjectReader? = inode.state.withLock { state in
            defer { state.reader = state.handles > 0 ? makeReader(version) : nil }
            state.version = version
            state.size = version.size
            state.metadata = info.metadata
            state.lastModified = info.lastModified
            state.seen = seen
            state.isComplete = true
            state.isExclusive = false
            if !state.hasUnstoredAttributes {
                // Theirs, with the times of what was written here.
                let (modified, changed) = (state.attributes.modificationTime, state.attributes.changeTime)
                state.attributes = theirs
                state.attributes.modificationTime = max(modified, theirs.modificationTime)
                state.attributes.changeTime = max(changed, theirs.changeTime)
            }
            // The kernel's pages hold what was appended at another place.
            state.pageCacheVersion = nil
            return state.reader
        }
        old?.discard()
        lifecycle.withLock { $0.notifier }?.invalidateInode(inode.node, offset: 0, length: 0)
        if isAppended {
            logger.debug("what was appended to \"\(key)\" goes behind another host's version")
        } else {
            logger.warning("what was changed of \"\(key)\" goes over another host's version (--on-conflict overwrite)")
        }
        return true
    }

    /// Stores what was written to a file whose name shows another version by now: somebody has replaced it between the open and the
    /// write, and a lookup here has found that. What was only appended goes behind the object as it is now; anything else would undo
    /// somebody's change, and is `ESTALE`.
    ///
    /// The inode has no name any more, so the key is that of its version. The caller holds the tree's shape and the inode's gate.
    func commitSuperseded(_ inode: Inode, _ staged: StagedFile) async throws {
        guard let key = inode.state.withLock({ $0.version?.key }) else { throw Errno.staleNFSFileHandle }
        while true {
            guard try await moveChanges(of: inode, staged, key: key) else { throw Errno.staleNFSFileHandle }
            let state = inode.state.withLock { $0 }
            let target = try uploadTarget(for: inode, state, key: key)
            do throws(StoreError) {
                let result = try await staged.commit(
                    key: key, metadata: target.metadata, if: target.precondition, readBase: target.readBase)
                _ = noteCommitted(inode, result, wanted: target.metadata, attributes: state.attributes)
                // Whoever has the name now sees the new version at the next look.
                _ = forgetCached(below: String(key.string.utf8.dropFirst(keys.prefix.utf8.count)) ?? key.string)
                return
            } catch {
                guard error.kind == .preconditionFailed else { throw error }
            }
        }
    }
}
