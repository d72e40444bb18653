internal import Logging
internal import ObjectStore
import Synchronization
import SystemPackage

/// What becomes of changes that the store did not take, once the last descriptor is closed (promises 1 and 4).
///
/// **Problem.** The caller of close(2) has got the error. But few programs do anything about it, and the bytes would go with the
/// process. Nor may a conflict make this mount show its own version for ever.
///
/// **Design.** The ``UnstoredLog`` writes the content to this machine's disk.
/// - A *failure* (the store is gone): the file stays dirty, shown, and tried again as before. What is kept counts only
///   if the process dies: the next mount stores it then, under the condition that the object is still the one it was made from. It is
///   dropped as soon as the content is stored or the file removed, and follows a rename.
/// - A *conflict* (another version is in the way, or the old one was removed): what is kept waits for a person, and the name
///   shows the store's version from then on.
///
/// No request. One write of what is staged, and one transaction; again only where the file has been changed since.
extension BucketFileSystem {
    /// Keeps what the last commit did not store of a file, and says so in the log.
    func tellUnstored(_ inode: Inode, _ error: any Error, isLast: Bool) async {
        let path = namespace.withLock { $0.path(of: inode.node) } ?? "an unlinked file"
        let place = await keepUnstored(inode, error: error, isLast: isLast)
        logger.error("\"\(path)\" is closed but not stored (\(error)); \(place)")
    }

    /// Keeps what the last commit did not store of a file.
    /// - Parameter isLast: whether nobody will have it open after this.
    /// - Returns: what the log's line says about where the changes are.
    private func keepUnstored(_ inode: Inode, error: any Error, isLast: Bool) async -> String {
        let inMemory = "its changes are kept in memory and tried again at the next close and at unmount"
        guard let log = options.unstoredLog else { return inMemory }
        // In a task of its own: that of a drain may have been cancelled, and this is what is left to do then.
        return await Task {
            do {
                try await self.treeShape.lock(exclusive: false)
                defer { self.treeShape.unlock(exclusive: false) }
                return try await inode.gate.withLock {
                    try await self.keepHoldingGate(inode, error, isLast: isLast, in: log)
                } ?? inMemory
            } catch {
                return inMemory + "; they could not be written to this machine's disk as well (\(error))"
            }
        }.value
    }

    private func keepHoldingGate(
        _ inode: Inode, _ error: any Error, isLast: Bool, in log: any UnstoredLog
    ) async throws -> String? {
        let state = inode.state.withLock { $0 }
        guard state.needsCommit, let staged = state.staged, staged.isDirty || state.version == nil else { return nil }
        let isConflict = (error as? Errno) == .staleNFSFileHandle || (error as? Errno) == .fileExists
        // While others have it open, theirs is the last word.
        if isConflict, !isLast { return nil }
        guard let key = state.isSuperseded ? state.version?.key : try key(of: inode) else { return nil }
        let target = try uploadTarget(for: inode, state, key: key)
        // A commit of these very bytes may have taken effect: by its headers the next mount knows it for its own.
        let sent = staged.metadataOfUnsettledCommit.flatMap { Self.differInTimes($0, target.metadata) ? $0 : nil }
        let metadata = sent ?? target.metadata
        if let kept = state.kept, !isConflict, kept.isOf(state), kept.metadata == metadata || sent == nil {
            return Self.isKept
        }
        guard let pieces = staged.piecesToKeep() else {
            throw StoreError(
                .bodyUnreadable, operation: "close", key: key,
                message: "some bytes are only in an upload that was not completed")
        }
        let content = UnstoredContent(
            key: key, metadata: metadata, pieces: pieces,
            base: [state.version, state.covered].lazy.compactMap { $0 }.first { $0.key == key }?.etag,
            cause: isConflict ? .conflict : .failure, reason: "\(error)")
        let number = try await log.keep(content, replacing: state.kept?.number)
        guard isConflict else {
            inode.state.withLock { current in
                current.kept = number.map {
                    .init(number: $0, size: staged.size, changed: state.attributes.changeTime, metadata: metadata)
                }
            }
            return Self.isKept
        }
        giveUpName(of: inode)
        return
            "the version elsewhere stays, and this machine's is kept: \"pail status\" shows it, \"pail recover\" writes it to a file"
    }

    /// Whether two sets of headers differ in nothing but the file's times.
    private static func differInTimes(_ one: ObjectMetadata, _ other: ObjectMetadata) -> Bool {
        var (one, other) = (one, other)
        for name in [
            AttributeNames.modificationTime, AttributeNames.changeTime, AttributeNames.accessTime,
        ] {
            one.user[name] = nil
            other.user[name] = nil
        }
        return one == other
    }

    private static let isKept =
        "its changes are in memory and on this machine's disk, and are tried again at the next close, at unmount and by the next mount"

    /// Lets the store's version show under the name of a file whose own is kept.
    private func giveUpName(of inode: Inode) {
        let place = namespace.withLock { namespace -> (parent: NodeID, name: FileName)? in
            let entry = namespace[inode.node]
            supersede(inode, &namespace)
            guard let parent = entry?.parent, let name = entry?.name else { return nil }
            let now = options.clock.monotonic()
            _ = namespace.updateDirectory(parent) { $0.noteLost(name, at: now) }
            return (parent, name)
        }
        inode.state.withLock { $0.kept = nil }
        guard let place, let notifier = lifecycle.withLock({ $0.notifier }) else { return }
        notifier.invalidateEntry(parent: place.parent, name: place.name)
    }

    /// Drops what is kept of a file that has been stored, or that nobody wants any more.
    func dropKept(of inode: Inode) async {
        let kept: Inode.Kept? = inode.state.withLock { state in
            guard !state.isDirty else { return nil }
            defer { state.kept = nil }
            return state.kept
        }
        if let kept { await options.unstoredLog?.drop(kept.number) }
    }

    /// Keeps what is kept of a file as it is now: the caller, who holds its gate, has renamed it, or changed its attributes or the
    /// stored object that it builds on.
    func keepAgain(_ inode: Inode) async {
        guard let log = options.unstoredLog, inode.state.withLock({ $0.kept != nil && $0.isDirty }) else { return }
        inode.state.withLock { $0.kept?.size = -1 }
        let failure = StoreError(
            .cancelled, operation: "close", key: nil,
            message: "not stored before it was renamed or its attributes were changed")
        do {
            _ = try await keepHoldingGate(inode, failure, isLast: false, in: log)
        } catch {
            logger.warning(
                "changes that are kept on this machine's disk are kept as before a rename or a change of attributes: \(error)"
            )
        }
    }
}
