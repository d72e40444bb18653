public import ObjectStore

/// Remembers on this machine a directory's rename, and an exchange of two files, while they are under way, so that the next mount can end
/// them (promise 5).
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
    /// An exchange of two objects' keys is about to begin. Returns its number.
    /// - Throws: where that cannot be remembered: the exchange is not begun then.
    func exchangeBegan(_ exchange: UnfinishedExchange) async throws -> Int64
    /// It is done, or has been taken back.
    /// - Parameter garbage: what still stands aside, and nobody needs: the next mount removes it.
    func exchangeEnded(_ id: Int64, leaving garbage: ObjectKey?) async
}

/// An exchange of two files under way.
public struct UnfinishedExchange: Sendable, Equatable {
    /// The key of the smaller object before.
    public var small: ObjectKey
    /// The key of the larger one before.
    public var large: ObjectKey
    /// Where the smaller one's content stands meanwhile.
    public var aside: ObjectKey
    /// Where the larger one's is kept, if the exchange fails in the middle.
    public var asideOfLarge: ObjectKey

    /// An exchange of `small` and `large`.
    public init(small: ObjectKey, large: ObjectKey, aside: ObjectKey, asideOfLarge: ObjectKey) {
        self.small = small
        self.large = large
        self.aside = aside
        self.asideOfLarge = asideOfLarge
    }
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
