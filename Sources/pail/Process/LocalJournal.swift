import FileSystem
import Glibc
import LocalState
import Logging
import ObjectStore

/// The mount's state on this machine, opened: its directory, its journal, and what an earlier process has left there.
///
/// Several strict mounts of one bucket may live side by side on a machine, each with a directory of its own: `ID`, `ID-2`, `ID-3`
/// and so on, the first that nobody holds. What a dead mount has left in the others is taken care of by whoever holds them next.
struct LocalJournal: Sendable {
    /// Of the directories of one bucket, so many are tried.
    private static let mostMounts = 64

    let journal: Journal

    /// Opens the first free directory below `parent`.
    /// - Parameter isShared: whether another mount of the same bucket may hold the first one.
    /// - Throws: `localState`.
    static func open(
        below parent: String, endpoint: String, bucket: String, prefix: String, isShared: Bool,
        options: Journal.Options,
        logger: Logger
    ) throws(CommandError) -> LocalJournal {
        let name = LocalState.StateDirectory.identifier(endpoint: endpoint, bucket: bucket, prefix: prefix)
        for number in 1...mostMounts {
            let path = path(below: parent, name, number: number)
            do throws(LocalStateError) {
                return LocalJournal(
                    journal: try Journal.open(
                        in: try LocalState.StateDirectory.open(path), options: options, logger: logger))
            } catch {
                if case .inUse = error.kind, isShared { continue }
                throw CommandError(.localState, "\(error); name another place by --state-dir")
            }
        }
        throw CommandError(
            .localState, "\(mostMounts) mounts of this bucket run already; name another place by --state-dir")
    }

    /// The directories below `parent` of the mounts of one prefix, as far as they are there: what ``open(below:endpoint:bucket:prefix:isShared:options:logger:)``
    /// has made.
    static func directories(below parent: String, endpoint: String, bucket: String, prefix: String) -> [String] {
        let name = LocalState.StateDirectory.identifier(endpoint: endpoint, bucket: bucket, prefix: prefix)
        return (1...mostMounts).map { path(below: parent, name, number: $0) }.filter { access($0, F_OK) == 0 }
    }

    private static func path(below parent: String, _ name: String, number: Int) -> String {
        parent + "/" + name + (number == 1 ? "" : "-\(number)")
    }

    /// Ends what an earlier process has left half done, before this one serves: first the renames, then (in the background, for
    /// nothing depends on it) uploads and copies that nobody needs.
    ///
    /// Requests: none where nothing was left. What fails is told in the log and tried again by the next mount.
    func recover(in store: RecordingStore, logger: Logger) async {
        for rename in journal.renames {
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
        Task { await store.removeLeftovers() }
    }
}

extension LocalJournal: RenameLog {
    func renameBegan(from: String, to: String, replacing replaces: Bool) async throws -> Int64 {
        try await journal.renameBegan(
            from: ObjectKey(from), to: ObjectKey(to), phase: replaces ? .copyingOver : .copying)
    }

    func renameDeletes(_ id: Int64) async throws { try await journal.renameReached(id, .deleting) }

    func renameEnded(_ id: Int64) async { try? await journal.renameEnded(id) }
}
