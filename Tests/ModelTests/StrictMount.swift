import FileSystem
import Foundation
import Logging
import ObjectStore
import ObjectStoreTesting
import Recovery

@testable import LocalState

/// A strict mount with its journal on the disk, as `pail mount` puts it together, over a store that may die.
struct StrictMount {
    static let scratch = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()

    let journal: Journal
    let store: CrashingStore
    let driver: FileSystemDriver
    let fileSystem: BucketFileSystem

    /// Says nothing, or all.
    static func logger(isTraced: Bool) -> Logger {
        if isTraced { return Logger(label: "model") { StreamLogHandler.standardOutput(label: $0) } }
        var logger = Logger(label: "model", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        return logger
    }

    /// A file system over a store.
    static func fileSystem(
        _ store: any ObjectStore, logger: Logger, _ change: (inout FileSystemOptions) -> Void
    ) -> BucketFileSystem {
        var options = FileSystemOptions()
        options.partSize = 64
        options.memoryLimit = 1 << 20
        change(&options)
        return BucketFileSystem(store: store, prefix: "", options: options, logger: logger)
    }

    /// Opens a state directory whose last holder has just given it up. Other tests of this process start programs: between fork(2) and
    /// exec(3) such a one holds the lock as well.
    static func free(_ directory: String) async throws -> StateDirectory {
        for _ in 0..<500 {
            do throws(LocalStateError) {
                return try StateDirectory.open(directory)
            } catch {
                guard case .inUse = error.kind else { throw error }
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        return try StateDirectory.open(directory)
    }

    /// Opens the journal, ends what an earlier process has left, and mounts.
    static func open(
        _ directory: String, over base: any ObjectStore, attributeTimeout: Double, logger: Logger
    ) async throws -> StrictMount {
        var limits = Journal.Options()
        limits.minimumFree = 0
        let journal = try Journal.open(in: await free(directory), options: limits, logger: logger)
        if journal.intentsLeft > 0 {
            let leftovers = WriteBackStore(CheckThenActStore(base: base), journal: journal, logger: logger)
            await leftovers.close(draining: .seconds(30))
        } else {
            journal.sweep()
        }
        let mortal = CrashingStore(base, after: .max)
        let recording = RecordingStore(mortal, journal: journal, temporaryPrefix: ".pail/unlinked/", logger: logger)
        await RenamesEnding(journal: journal, store: recording, logger: logger).run()
        await recording.removeLeftovers()
        let log = JournalLog(journal: journal, keepsForUpload: true, logger: logger)
        let renames = MortalLog(base: log, store: mortal)
        let fileSystem = fileSystem(recording, logger: logger) { options in
            options.attributeTimeout = attributeTimeout
            options.renameLog = renames
            options.unstoredLog = log
        }
        return StrictMount(
            journal: journal, store: mortal, driver: FileSystemDriver(fileSystem: fileSystem), fileSystem: fileSystem)
    }

    /// Ends as a killed process does.
    func abandon() {
        store.crash()
        journal.abandon()
    }
}

/// A log that dies with the process: what is to be noted behind that never is.
private struct MortalLog: RenameLog {
    let base: JournalLog
    let store: CrashingStore

    func renameBegan(from: String, to: String, replacing replaces: Bool) async throws -> Int64 {
        try await base.renameBegan(from: from, to: to, replacing: replaces)
    }
    func renameDeletes(_ id: Int64) async throws {
        if !store.hasCrashed { try await base.renameDeletes(id) }
    }
    func renameEnded(_ id: Int64) async {
        if !store.hasCrashed { await base.renameEnded(id) }
    }
    func exchangeBegan(_ exchange: UnfinishedExchange) async throws -> Int64 { try await base.exchangeBegan(exchange) }
    func exchangeEnded(_ id: Int64, leaving garbage: ObjectKey?) async {
        if !store.hasCrashed { await base.exchangeEnded(id, leaving: garbage) }
    }
}
