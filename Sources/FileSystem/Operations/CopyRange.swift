internal import Logging
internal import ObjectStore
import Synchronization
public import SystemPackage

/// `COPY_FILE_RANGE`, which cp(1) uses: a copy inside the store.
///
/// **Problem.** A copy of gigabytes shall move none of them through this host. But nothing is stored before the close, as half a
/// copy would be seen elsewhere.
///
/// **Design.** The target's content rests on the *source's* version until its commit, which copies: one CopyObject for a whole
/// file, UploadPartCopy for ranges, under the condition that the source still is that version. What would take the version
/// away on this mount (a new content, other attributes, a rename, an unlink of the source) has the commit done first.
///
/// **Limits.** The kernel reads and writes instead, where the source has changes that are not stored, where the target keeps
/// bytes of another version, and for a part of a file that is smaller than a part of an upload. If the source is replaced
/// elsewhere between the copy and the close, the close fails with `ESTALE`.
///
/// Requests: none; those of the commit.
extension BucketFileSystem {
    /// `COPY_FILE_RANGE`
    public func copyRange(
        of source: HandleID, from sourceOffset: Int64, to target: HandleID, at offset: Int64, length: Int64
    ) async throws(Errno) -> Int64 {
        let (from, to) = handles.withLock { ($0.file(source), $0.file(target)) }
        guard let from, let to, let staged = to.staged else { throw .badFileDescriptor }
        guard sourceOffset >= 0, offset >= 0, length >= 0 else { throw .invalidArgument }
        guard from.inode !== to.inode else { throw .notSupportedOnSocket }
        let taken = try await perform("copy_file_range") {
            // Under the gate the target keeps its name meanwhile: see ``storeBeforeUnlinking(_:)``.
            try await to.inode.gate.withLock {
                self.stageCopy(of: from.inode, from: sourceOffset, to: to.inode, staged, at: offset, length: length)
            }
        }
        guard let taken else { throw .notSupportedOnSocket }
        if taken > 0 {
            to.hasWritten.store(true, ordering: .relaxed)
            noteWrite(to.inode)
        }
        return taken
    }

    /// Rests a range of a file on the source's version. Returns how many bytes were taken; nil where that cannot be. The caller
    /// holds the target's gate.
    private func stageCopy(
        of source: Inode, from sourceOffset: Int64, to target: Inode, _ staged: StagedFile, at offset: Int64,
        length: Int64
    ) -> Int64? {
        // A file without a name is never stored: there is no commit that could copy.
        if target.state.withLock({ $0.isUnlinked }) { return nil }
        let minimum = store.features.partCopies ? store.features.minimumPartSize : .max
        return source.state.withLock { state in
            guard let version = state.version, version.etag != nil, !state.isUnlinked, !state.isMoving,
                state.hiddenKey == nil,
                !(state.staged?.isDirty ?? false)
            else { return nil }
            let count = min(length, version.size - sourceOffset)
            guard count > 0 else { return 0 }
            let isWhole = sourceOffset == 0 && offset == 0 && count == version.size
            guard isWhole || count >= minimum,
                staged.copy(sourceOffset..<sourceOffset + count, of: version, to: offset)
            else { return nil }
            // From here on the handle keeps to this version, as after a read.
            state.hasServedReads = true
            state.copies.removeAll { $0.inode == nil || $0.inode === target }
            state.copies.append(WeakInode(inode: target))
            return count
        }
    }

    /// Stores the files that are to be copied from the version of `inode`, which is about to go. The caller holds no lock. What fails
    /// is told by the copy's own close.
    func settleCopies(of inode: Inode) async {
        let copies: [WeakInode] = inode.state.withLock { state in
            defer { state.copies = [] }
            return state.copies
        }
        for copy in copies {
            guard let copy = copy.inode, copy.state.withLock({ $0.staged?.hasForeignBase ?? false }) else { continue }
            do {
                try await commit(copy)
            } catch {
                logger.error("a file could not be copied before its source changed: \(error)")
            }
        }
    }

    /// Stores a file that rests on another's version and is about to lose its name while it is open: without a name it could not
    /// be stored when that version goes. The caller holds its gate. Requests: those of the commit.
    func storeBeforeUnlinking(_ inode: Inode) async throws {
        let isNeeded = inode.state.withLock { $0.handles > 0 && $0.staged?.hasForeignBase ?? false }
        if isNeeded { try await commitHoldingGate(inode) }
    }
}
