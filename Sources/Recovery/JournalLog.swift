public import FileSystem
public import LocalState
public import Logging
public import ObjectStore

/// What the file system asks to be remembered on this machine, written into a mount's ``Journal``.
///
/// One transaction a call, durable when it returns; what is kept costs one copy of its bytes to the disk besides. No request.
public struct JournalLog: Sendable {
    private let journal: Journal
    private let keepsForUpload: Bool
    private let logger: Logger

    /// A log in `journal`.
    /// - Parameter keepsForUpload: whether what a close could not store is kept for the next mount: not beside a
    ///   ``WriteBackStore``, to which the journal's intents belong.
    public init(journal: Journal, keepsForUpload: Bool, logger: Logger) {
        self.journal = journal
        self.keepsForUpload = keepsForUpload
        self.logger = logger
    }
}

extension JournalLog: RenameLog {
    /// See ``RenameLog``.
    public func renameBegan(from: String, to: String, replacing replaces: Bool) async throws -> Int64 {
        try await journal.renameBegan(
            from: ObjectKey(from), to: ObjectKey(to), phase: replaces ? .copyingOver : .copying)
    }

    /// See ``RenameLog``.
    public func renameDeletes(_ id: Int64) async throws { try await journal.renameReached(id, .deleting) }

    /// See ``RenameLog``.
    public func renameEnded(_ id: Int64) async {
        do {
            try await journal.renameEnded(id)
        } catch {
            logger.warning("the end of a directory's rename could not be noted; the next mount does: \(error)")
        }
    }
}

extension JournalLog {
    /// See ``RenameLog``.
    public func exchangeBegan(_ exchange: UnfinishedExchange) async throws -> Int64 {
        try await journal.exchangeBegan(
            KeyExchange(
                id: 0, small: exchange.small, large: exchange.large, aside: exchange.aside,
                asideOfLarge: exchange.asideOfLarge))
    }

    /// See ``RenameLog``.
    public func exchangeEnded(_ id: Int64, leaving garbage: ObjectKey?) async {
        do {
            try await journal.exchangeEnded(id, leaving: garbage)
        } catch {
            logger.warning("the end of an exchange of two files could not be noted; the next mount does: \(error)")
        }
    }
}

extension JournalLog: UnstoredLog {
    /// See ``UnstoredLog``.
    public func keep(_ content: UnstoredContent, replacing earlier: Int64?) async throws -> Int64? {
        let pieces = content.pieces.map { piece -> PieceToKeep in
            switch piece {
            case .bytes(let body): .bytes(body)
            case .stored(let key, let etag, let range): .stored(key: key, etag: etag, range: range)
            }
        }
        switch content.cause {
        case .conflict:
            _ = try await journal.keep(
                content.key, pieces: pieces, metadata: content.metadata, base: content.base, reason: content.reason,
                replacing: earlier)
            return nil
        case .failure:
            guard keepsForUpload else {
                throw LocalStateError(
                    .io(errno: 0), path: journal.directory.path,
                    detail: "write-back mode has no room for a change, or its journal fails")
            }
            return try await journal.keepForUpload(
                content.key, pieces: pieces, metadata: content.metadata, base: content.base, replacing: earlier)
        }
    }

    /// See ``UnstoredLog``.
    public func drop(_ number: Int64) async {
        do {
            try await journal.dropForUpload(number)
        } catch {
            logger.warning(
                "a content that is stored stays in the journal as well; the next mount finds that it is stored: \(error)"
            )
        }
    }
}
