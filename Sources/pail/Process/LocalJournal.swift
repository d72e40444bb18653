import Glibc
import LocalState
import Logging
import ObjectStore
import Recovery

/// The mount's state on this machine, opened: its directory, its journal, and what an earlier process has left there.
///
/// Several mounts of one bucket may live side by side on a machine, each with a directory of its own: `ID`, `ID-2`, `ID-3`
/// and so on, the first that nobody holds. What dead mounts have left in the others, the next mount takes care of.
struct LocalJournal: Sendable {
    /// Of the directories of one bucket, so many are tried.
    private static let mostMounts = 64

    let journal: Journal
    let logger: Logger
    /// The path of the first of the bucket's directories; the others' have a number behind it.
    private let family: String

    /// Opens the first free directory of a mount below `parent`.
    /// - Throws: `localState`.
    static func open(
        below parent: String, endpoint: String, bucket: String, prefix: String, options: Journal.Options,
        logger: Logger
    ) throws(CommandError) -> LocalJournal {
        let name = LocalState.StateDirectory.identifier(endpoint: endpoint, bucket: bucket, prefix: prefix)
        for number in 1...mostMounts {
            if let journal = try openFree(parent + "/" + name, number, options, logger) { return journal }
        }
        throw CommandError(
            .localState, "\(mostMounts) mounts of this bucket run already; name another place by --state-dir")
    }

    /// The directories below `parent` of the mounts of one prefix, as far as they are there: what
    /// ``open(below:endpoint:bucket:prefix:options:logger:)`` has made.
    static func directories(below parent: String, endpoint: String, bucket: String, prefix: String) -> [String] {
        let name = LocalState.StateDirectory.identifier(endpoint: endpoint, bucket: bucket, prefix: prefix)
        return (1...mostMounts).map { path(parent + "/" + name, $0) }.filter { access($0, F_OK) == 0 }
    }

    private static func path(_ family: String, _ number: Int) -> String {
        number == 1 ? family : family + "-\(number)"
    }

    /// Nil where another mount has it.
    private static func openFree(_ family: String, _ number: Int, _ options: Journal.Options, _ logger: Logger)
        throws(CommandError) -> LocalJournal?
    {
        do throws(LocalStateError) {
            let directory = try LocalState.StateDirectory.open(path(family, number))
            return LocalJournal(
                journal: try Journal.open(in: directory, options: options, logger: logger), logger: logger,
                family: family)
        } catch {
            if case .inUse = error.kind { return nil }
            throw CommandError(.localState, "\(error); name another place by --state-dir")
        }
    }

    /// Opens, one after another, the other directories of the same bucket that no mount holds, and closes each behind `body`. One that
    /// cannot be opened is told in the log.
    func withEachOther(options: Journal.Options, _ body: (LocalJournal) async -> Void) async {
        for number in 1...Self.mostMounts {
            let path = Self.path(family, number)
            guard path != journal.directory.path, access(path + "/journal.sqlite", F_OK) == 0 else { continue }
            do throws(CommandError) {
                guard let other = try Self.openFree(family, number, options, logger) else { continue }
                await body(other)
                other.journal.close()
            } catch {
                logger.error("what an earlier mount has left in \(path) cannot be taken care of: \(error.message)")
            }
        }
    }

    /// Ends what an earlier process has left half done, before this one serves: first the renames, then (in the background, for
    /// nothing depends on it) uploads and copies that nobody needs.
    ///
    /// Requests: none where nothing was left. What fails is told in the log and tried again by the next mount.
    /// - Parameter waits: whether to return only once all of it is done.
    func recover(in store: RecordingStore, waits: Bool) async {
        await RenamesEnding(journal: journal, store: store, logger: logger).run()
        let rest = Task { await store.removeLeftovers() }
        if waits { _ = await rest.value }
    }
}
