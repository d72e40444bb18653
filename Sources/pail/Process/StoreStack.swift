import FileSystem
import LocalState
import Logging
import ObjectStore
import S3

/// The store as the file system sees it: the bucket, beneath it what this machine keeps, in one of two modes.
///
/// | strict | write-back |
/// |---|---|
/// | S3 | S3 |
/// | | conditions on stores that ignore them: `CheckThenActStore` |
/// | | changes durable here first: `WriteBackStore` |
/// | what a crash leaves behind: `RecordingStore` | the same |
///
/// In strict mode the file system itself sees to conditions that a store ignores.
struct StoreStack: Sendable {
    /// What the file system is built on.
    let store: RecordingStore
    /// What has still to be uploaded.
    let backlog: any Backlog
    private let local: LocalJournal
    private let writeBack: WriteBackStore?
    private let logger: Logger

    /// Opens the state on this machine and puts the layers together; ends what an earlier process has left half done. Requests: none
    /// where nothing was left.
    /// - Throws: `localState`.
    static func open(_ bucket: S3Store, _ plan: MountPlan, logger: Logger) async throws(CommandError) -> StoreStack {
        let options = plan.request.options
        let prefix = plan.request.source.prefix
        var limits = Journal.Options()
        limits.maximumBytes = options.journalSize
        let local = try LocalJournal.open(
            below: plan.stateDirectory, endpoint: plan.target.endpoint.url, bucket: plan.request.source.bucket,
            prefix: prefix, isShared: !options.isWriteBack, options: limits, logger: logger)
        let stack = StoreStack(bucket, plan, local, logger: logger)
        if options.isReadOnly { return stack }
        if !options.isWriteBack { await stack.storeLeftovers(in: bucket, atMost: options.drainTimeout) }
        await local.recover(in: stack.store, logger: logger)
        return stack
    }

    private init(_ bucket: S3Store, _ plan: MountPlan, _ local: LocalJournal, logger: Logger) {
        let options = plan.request.options
        self.local = local
        self.logger = logger
        var below: any ObjectStore = bucket
        if options.isWriteBack, !options.isReadOnly {
            var settings = WriteBackStore.Options()
            settings.partSize = options.partSize
            settings.singlePutThreshold = options.partSize
            let store = WriteBackStore(
                CheckThenActStore(base: bucket), journal: local.journal, options: settings, logger: logger)
            writeBack = store
            backlog = WriteBackBacklog(store: store, prefix: plan.request.source.prefix)
            below = store
        } else {
            writeBack = nil
            backlog = NoBacklog(journal: local.journal)
        }
        store = RecordingStore(
            below, journal: local.journal, temporaryPrefix: plan.request.source.prefix + ".pail/unlinked/",
            notesUploads: writeBack == nil, logger: logger)
    }

    /// Uploads what an earlier mount in write-back mode has left: a strict mount shows the bucket only.
    private func storeLeftovers(in bucket: S3Store, atMost limit: Duration) async {
        let count = local.journal.intentsLeft
        guard count > 0 else { return local.journal.sweep() }
        logger.notice("\(count) changes of an earlier mount in write-back mode are uploaded first")
        let store = WriteBackStore(CheckThenActStore(base: bucket), journal: local.journal, logger: logger)
        let left = await store.close(draining: limit == .zero ? .seconds(1_000_000_000) : limit)
        if left > 0 {
            logger.error(
                "\(left) changes of an earlier mount in write-back mode are not in the bucket yet, and this mount does not show them; they stay in \(local.journal.directory.path): mount with --write-back to see and upload them"
            )
        }
    }

    /// Lets the file system rely on what this machine keeps.
    func apply(to options: inout FileSystemOptions, _ plan: MountPlan) {
        options.renameLog = local
        guard let writeBack else { return }
        options.settle = {
            try? await writeBack.settle()
            return writeBack.pending(limit: 0).count
        }
        if plan.request.options.fsync == .store {
            options.settleKey = { key throws(StoreError) in try await writeBack.settle(prefix: key) }
        }
    }

    /// Ends the uploads and closes the journal. Returns what a person has to be told of changes that are left, if any are.
    func close() async -> String? {
        let left = await writeBack?.close() ?? 0
        local.journal.close()
        guard left > 0 else { return nil }
        return
            "\(left) changes are not in the bucket yet; they are safe in \(local.journal.directory.path) and are uploaded by "
            + "the next mount of this bucket with --write-back"
    }
}
