public import LocalState
internal import ObjectStore

/// What mounts of this machine have under way in the bucket, and so is nobody else's to report or to mend.
public struct OwnedWork: Sendable {
    /// Multipart uploads, without their times.
    private var uploads: Set<MultipartUpload> = []
    /// Copies of unlinked files, and of files that are being exchanged.
    private var hidden: Set<ObjectKey> = []
    /// Keys with changes that are not uploaded yet.
    private var pending: Set<ObjectKey> = []
    /// Directories that are being renamed, both names, `/` at their ends.
    private var directories: [ObjectKey] = []
    /// Mount points of mounts that do not tell what they own: all that is in flight may be theirs.
    public var silent: [String] = []

    /// Nothing.
    public init() {}

    /// Adds what a journal names.
    public mutating func add(_ journal: JournalInventory) {
        for var upload in journal.uploads {
            upload.initiated = nil
            uploads.insert(upload)
        }
        hidden.formUnion(journal.hidden)
        hidden.formUnion(journal.exchanges.flatMap { [$0.aside, $0.asideOfLarge] })
        pending.formUnion(journal.changes.map(\.key))
        directories += journal.renames.flatMap { [$0.from, $0.to] }
    }

    /// Whether a finding is about work under way.
    func owns(_ finding: Finding) -> Bool {
        if case .abortUpload(var upload) = finding.repair {
            upload.initiated = nil
            return uploads.contains(upload)
        }
        if hidden.contains(finding.key) { return true }
        return finding.check.group != .metadata && isBeingRenamed(finding.key)
    }

    /// Why a key is not to be touched; nil where it may be.
    func refusal(_ key: ObjectKey) -> String? {
        if pending.contains(key) { return "a mount of this machine has a change of it to upload" }
        if isBeingRenamed(key) { return "a mount of this machine is renaming its directory" }
        return nil
    }

    private func isBeingRenamed(_ key: ObjectKey) -> Bool { directories.contains { key.hasPrefix($0.string) } }
}
