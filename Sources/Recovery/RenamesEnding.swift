internal import FileSystem
public import LocalState
public import Logging
public import ObjectStore

/// Ends the renames of directories and the exchanges of files that a process before this one has left half done, as its journal tells them.
///
/// Every step can be broken off and done again: a row goes only after its work is done in the bucket. See `RenameRecovery` and
/// `ExchangeRecovery` for what is done, and for the requests: none where nothing was left.
public struct RenamesEnding: Sendable {
    private let journal: Journal
    private let store: any ObjectStore
    private let logger: Logger

    /// For those in `journal`.
    /// - Parameter store: the bucket as the file system will see it.
    public init(journal: Journal, store: any ObjectStore, logger: Logger) {
        self.journal = journal
        self.store = store
        self.logger = logger
    }

    /// Ends them, the oldest first, until the task is cancelled. What fails is told in the log and stays in the journal.
    public func run() async {
        for rename in journal.renames where !Task.isCancelled {
            let unfinished = UnfinishedRename(
                from: rename.from.string, to: rename.to.string, isDeleting: rename.phase == .deleting,
                replaces: rename.phase == .copyingOver)
            do {
                try await RenameRecovery(store: store, logger: logger).finish(unfinished)
                try await journal.renameEnded(rename.id)
            } catch {
                logger.error(
                    "the rename of \"\(rename.from)\" to \"\(rename.to)\", which an earlier mount had begun, cannot be ended: \(error)"
                )
            }
        }
        for exchange in journal.exchanges where !Task.isCancelled {
            let unfinished = UnfinishedExchange(
                small: exchange.small, large: exchange.large, aside: exchange.aside,
                asideOfLarge: exchange.asideOfLarge)
            do {
                try await ExchangeRecovery(store: store, logger: logger).finish(unfinished)
                try await journal.exchangeEnded(exchange.id)
            } catch {
                logger.error(
                    "the exchange of \"\(exchange.small)\" and \"\(exchange.large)\", which an earlier mount had begun, cannot be ended: \(error)"
                )
            }
        }
    }
}
