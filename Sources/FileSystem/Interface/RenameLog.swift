/// Remembers on this machine a directory's rename while it is under way, so that the next mount can end it (promise 5).
///
/// Each call is durable when it returns.
public protocol RenameLog: Sendable {
    /// A rename of the directory with the marker's key `from` to `to` is about to copy. Returns its number.
    /// - Parameter replaces: there is an empty directory of the new name already.
    /// - Throws: where that cannot be remembered: the rename is not begun then.
    func renameBegan(from: String, to: String, replacing replaces: Bool) async throws -> Int64
    /// All copies stand; from here on the old keys are deleted.
    func renameDeletes(_ id: Int64) async throws
    /// It is done, or has been taken back. What cannot be noted is noted by the next mount, which finds nothing left to do.
    func renameEnded(_ id: Int64) async
}

/// A directory's rename that a process before this one did not end.
public struct UnfinishedRename: Sendable, Equatable {
    /// The old directory's key, `/` at its end.
    public var from: String
    /// The new one's.
    public var to: String
    /// Whether all copies stood, so that the old keys are to go; else the copies are.
    public var isDeleting: Bool
    /// Whether an empty directory of the new name was there before, which stays if the rename is taken back.
    public var replaces: Bool

    /// A rename from `from` to `to`.
    public init(from: String, to: String, isDeleting: Bool, replaces: Bool = false) {
        self.replaces = replaces
        self.from = from
        self.to = to
        self.isDeleting = isDeleting
    }
}
