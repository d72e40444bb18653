public import Logging
public import ObjectStore

/// Ends a directory's rename that a crash has interrupted.
///
/// **Problem.** A rename is copies, then deletes (see RenameDirectory.swift). A process that dies in between leaves files under
/// two names, and nobody waits for its return any more.
///
/// **Design.** Only what stands under both names is ever removed, and of that one of two equal objects: if the copies had not all
/// been made, the copies go and the directory keeps its old name; if they had, the old keys go. Either is what a crash may leave of
/// a rename(2). Nothing is copied, so what people have changed under either name since is never overwritten: it is not
/// equal any more, and stays; and so does all where the name that would keep the files is not there any more.
///
/// Two objects are equal that have the same size and ETag; where one of them was uploaded in parts, which gives it an
/// ETag of another kind, the same user metadata, which hold the modification time to the nanosecond.
///
/// Requests: two LISTs a thousand objects, one DELETE an object that is removed, two HEADs more for those uploaded in parts.
///
/// **Limits.** To be run before the mount serves: a rename of the same directories at the same time would take the other half.
public struct RenameRecovery: Sendable {
    private let store: any ObjectStore
    private let logger: Logger
    private let parallel: Int

    /// A recovery in `store`, with so many requests at once.
    public init(store: any ObjectStore, parallel: Int = 32, logger: Logger) {
        self.store = store
        self.parallel = parallel
        self.logger = logger
    }

    /// Ends a rename. Returns how many objects were removed.
    /// - Throws: what the store threw; nothing is worse then than it was, and it can be tried again.
    @discardableResult
    public func finish(_ rename: UnfinishedRename) async throws -> Int {
        let (stays, goes) = rename.isDeleting ? (rename.to, rename.from) : (rename.from, rename.to)
        let staying = Dictionary(
            uniqueKeysWithValues: try await store.listAll(below: stays).map { (rest(of: $0.key, below: stays), $0) })
        // What stays is gone, or has gone elsewhere: then the other is all there is.
        guard !staying.isEmpty else { return 0 }
        let going = try await store.listAll(below: goes)
        let files = going.filter { !$0.isMarker }
        let twins = try await twins(of: files, below: goes, among: staying)
        let left = try await VersionDelete(store: store).delete(twins, parallel: parallel)
        let removed = Set(twins.map(\.key)).subtracting(left.map(\.key))

        // Directories that hold nothing any more, the deepest first: some stores keep directories of their own, which go
        // with their marker's key whether there is one or not.
        let remaining = files.map(\.key).filter { !removed.contains($0) }
        var directories = Set(going.filter { $0.isMarker }.map(\.key))
        for key in removed { directories.formUnion(parents(of: key, below: goes)) }
        if rename.replaces, !rename.isDeleting {
            directories.remove(ObjectKey(goes))
        } else {
            directories.insert(ObjectKey(goes))
        }
        var count = removed.count
        for directory in directories.sorted(by: >) {
            let isEmpty = !remaining.contains { $0.string.utf8.starts(with: directory.string.utf8) }
            let rest = rest(of: directory, below: goes)
            // A directory that has no counterpart was made since by somebody else.
            let isOurs = rest.isEmpty || staying.keys.contains { $0.utf8.starts(with: rest.utf8) }
            guard isEmpty, isOurs else { continue }
            try await store.delete(directory, if: .none)
            count += 1
        }
        logger.notice(
            "a rename that an earlier mount had begun is \(rename.isDeleting ? "finished" : "taken back")",
            metadata: [
                "from": "\(rename.from)", "to": "\(rename.to)", "removed": "\(count)",
                "changed since and left alone": "\(remaining.count)",
            ])
        return count
    }

    /// Those of `files` that stand under the other name too, as the same.
    private func twins(
        of files: [ListedObject], below prefix: String, among others: [String: ListedObject]
    ) async throws -> [ObjectVersion] {
        var found: [ObjectVersion] = []
        var doubtful: [(ListedObject, ListedObject)] = []
        for file in files {
            guard let other = others[rest(of: file.key, below: prefix)], other.size == file.size else { continue }
            if let etag = file.etag, etag == other.etag {
                found.append(ObjectVersion(key: file.key, etag: etag, size: file.size))
            } else if isFromParts(file.etag) || isFromParts(other.etag) {
                doubtful.append((file, other))
            }
        }
        try await withThrowingTaskGroup(of: ObjectVersion?.self) { group in
            for (index, pair) in doubtful.enumerated() {
                if index >= parallel, let twin = try await group.next() ?? nil { found.append(twin) }
                group.addTask { try await isSame(pair.0, pair.1) }
            }
            for try await twin in group {
                if let twin { found.append(twin) }
            }
        }
        return found
    }

    private func isSame(_ file: ListedObject, _ other: ListedObject) async throws -> ObjectVersion? {
        async let one = store.headOrNil(file.key)
        async let two = store.headOrNil(other.key)
        guard let one = try await one, let two = try await two, one.etag == file.etag, two.etag == other.etag,
            one.metadata.user == two.metadata.user, !one.metadata.user.isEmpty
        else { return nil }
        return ObjectVersion(key: file.key, etag: file.etag, size: file.size)
    }

    private func isFromParts(_ etag: ETag?) -> Bool { etag?.value.utf8.contains(UInt8(ascii: "-")) ?? true }

    private func rest(of key: ObjectKey, below prefix: String) -> String {
        String(key.string.utf8.dropFirst(prefix.utf8.count)) ?? ""
    }

    private func parents(of key: ObjectKey, below prefix: String) -> [ObjectKey] {
        var found: [ObjectKey] = []
        var rest = key.string.utf8.dropLast()
        while let slash = rest.lastIndex(of: UInt8(ascii: "/")) {
            rest = rest[...slash]
            guard rest.count > prefix.utf8.count, let name = String(rest) else { break }
            found.append(ObjectKey(name))
            rest = rest.dropLast()
        }
        return found
    }
}
