public import LocalState
internal import ObjectStore

/// What mounts of this machine have under way in the bucket, and so is nobody else's to report or to mend.
public struct OwnedWork: Sendable {
    /// Multipart uploads, without their times.
    private var uploads: Set<MultipartUpload> = []
    /// Copies of unlinked files.
    private var hidden: Set<ObjectKey> = []
    /// Keys with changes that are not uploaded yet.
    private var pending: Set<ObjectKey> = []
    /// Directories that are being renamed, both names, `/` at their ends.
    private var directories: [ObjectKey] = []
    /// Mount points of mounts that do not tell what they own: all that is in flight may be theirs.
    public var silent: [String] = []
    /// When the first of the mounts that tell began, in seconds of Unix time; nil where there is none.
    public private(set) var since: Int64?

    /// An exchange of two files takes no longer, in seconds, and mounts do not note them.
    private static let exchangeTime: Int64 = 3600

    /// Nothing.
    public init() {}

    /// Adds what a journal names.
    public mutating func add(_ journal: JournalInventory) {
        for var upload in journal.uploads {
            upload.initiated = nil
            uploads.insert(upload)
        }
        hidden.formUnion(journal.hidden)
        pending.formUnion(journal.changes.map(\.key))
        directories += journal.renames.flatMap { [$0.from, $0.to] }
    }

    /// A mount that tells runs since then, in seconds of Unix time.
    public mutating func noteMount(since time: Int64) { since = min(since ?? time, time) }

    /// Whether a finding is about work under way.
    func owns(_ finding: Finding, _ scope: CheckScope) -> Bool {
        if case .abortUpload(var upload) = finding.repair {
            upload.initiated = nil
            return uploads.contains(upload)
        }
        if hidden.contains(finding.key) { return true }
        if finding.check == ExchangeLeftover.info, let since, let time = finding.time {
            return time.seconds >= since - ClockSkew.tolerance && scope.now - time.seconds < Self.exchangeTime
        }
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
