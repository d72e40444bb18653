public import Logging
public import ObjectStore

/// Ends an exchange of two files that a crash, or a store that failed, has left in its middle.
///
/// **Problem.** For a moment of every ``ObjectExchange`` the smaller file's content stands aside only, under a key that no mount
/// shows.
///
/// **Design.** What stands under the two names tells how far it came. Where both have the larger content, the smaller gets its own back:
/// the exchange has not been made. Else it has been made, or not begun, and the copy aside goes. Where neither is true, somebody has
/// changed the files since: the copy stays, the log says where, and `pail check` finds it.
///
/// Two objects are equal as ``RenameRecovery`` has it. For the content to go back they have to have the same headers besides, times to the
/// nanosecond: so a file that somebody has copied over the other since is not taken for the exchange's work.
///
/// Requests: three or four HEADs; one CopyObject where the content has to go back; a DELETE for each copy aside.
///
/// **Limits.** To be run before the mount serves.
public struct ExchangeRecovery: Sendable {
    private let store: any ObjectStore
    private let logger: Logger

    /// A recovery in `store`.
    public init(store: any ObjectStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Ends an exchange.
    /// - Throws: what the store threw; nothing is worse then than it was, and it can be tried again.
    public func finish(_ exchange: UnfinishedExchange) async throws {
        let small = try await store.headOrNil(exchange.small)
        let large = try await store.headOrNil(exchange.large)
        if let kept = try await store.headOrNil(exchange.aside) {
            if Self.areSame(kept, small) || Self.areSame(kept, large) {
                try await store.delete(exchange.aside, if: .none)
            } else if let small, Self.areSame(small, large), small.metadata.user == large?.metadata.user {
                _ = try await ServerCopy(store: store, parallel: 4).copyLooking(
                    ObjectVersion(key: exchange.aside, etag: kept.etag, size: kept.size), to: exchange.small,
                    storageClass: kept.metadata.storageClass,
                    if: store.features.conditionalCopyTargets ? small.etag.map { .matches($0) } ?? .none : .none)
                try await store.delete(exchange.aside, if: .none)
                logger.notice(
                    "the exchange of \"\(exchange.small)\" and \"\(exchange.large)\", which an earlier mount had begun, is taken back"
                )
            } else {
                logger.error(
                    "an exchange of \"\(exchange.small)\" and \"\(exchange.large)\" was not ended, and one of them was changed since: the content of \"\(exchange.small)\" before it stays in \"\(exchange.aside)\""
                )
            }
        }
        guard let kept = try await store.headOrNil(exchange.asideOfLarge) else { return }
        if Self.areSame(kept, large) || Self.areSame(kept, small) {
            try await store.delete(exchange.asideOfLarge, if: .none)
        } else {
            logger.error(
                "an exchange of two files was not ended: the content of \"\(exchange.large)\" before it stays in \"\(exchange.asideOfLarge)\""
            )
        }
    }

    private static func areSame(_ one: ObjectInfo, _ other: ObjectInfo?) -> Bool {
        guard let other, one.size == other.size else { return false }
        if let etag = one.etag, etag == other.etag { return true }
        return (isFromParts(one.etag) || isFromParts(other.etag)) && !one.metadata.user.isEmpty
            && one.metadata.user == other.metadata.user
    }

    private static func isFromParts(_ etag: ETag?) -> Bool { etag?.value.utf8.contains(UInt8(ascii: "-")) ?? true }
}
