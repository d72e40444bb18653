import FileSystem
import LocalState
import Logging
import ObjectStore
import Recovery
import S3

/// The store as the file system sees it: the bucket, beneath it what this machine keeps, in one of two modes.
///
/// | strict | write-back |
/// |---|---|
/// | S3 | S3 |
/// | late reads are asked for once more: `HedgingStore`, unless `--hedged-reads off` | the same |
/// | what was read stays on this machine's disk: `BlockCacheStore`, with `--disk-cache` | the same |
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
    private let cache: BlockCache?
    private let headers: HeaderCache?
    private let hedging: HedgingStore?
    private let dropsCache: Bool
    private let logger: Logger

    /// What the disk cache has counted; nil where there is none.
    var cacheCounts: BlockCache.Counts? { cache?.counts }

    /// What came of late reads; nil where they are only waited for.
    var hedgeCounts: HedgingStore.Counts? { hedging?.counts }

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
            prefix: prefix, options: limits, logger: logger)
        let cache = try openCache(plan, local, logger)
        let headers = openHeaders(plan, local, logger)
        if options.isReadOnly { return StoreStack(bucket, plan, local, cache, headers, logger: logger) }
        // Before this mount shows anything: what dead mounts beside this one have left.
        await local.withEachOther(options: limits) { other in
            await storeLeftovers(
                of: other, in: bucket, atMost: options.drainTimeout, overwriting: options.onConflict == .overwrite,
                logger)
            await other.recover(in: recording(bucket, other, prefix, notesUploads: true), waits: true)
        }
        let stack = StoreStack(bucket, plan, local, cache, headers, logger: logger)
        if !options.isWriteBack {
            await storeLeftovers(
                of: local, in: bucket, atMost: options.drainTimeout, overwriting: options.onConflict == .overwrite,
                logger)
        }
        await local.recover(in: stack.store, waits: false)
        return stack
    }

    private static func recording(
        _ base: any ObjectStore, _ local: LocalJournal, _ prefix: String, notesUploads: Bool
    ) -> RecordingStore {
        RecordingStore(
            base, journal: local.journal, temporaryPrefix: prefix + ".pail/unlinked/", notesUploads: notesUploads,
            logger: local.logger)
    }

    /// The cache of this mount alone: its folder goes with the journal's, which nobody else holds.
    private static func openCache(_ plan: MountPlan, _ local: LocalJournal, _ logger: Logger) throws(CommandError)
        -> BlockCache?
    {
        let options = plan.request.options
        guard options.diskCache > 0 else { return nil }
        var folder = local.journal.directory.path
        if let parent = options.fine.cacheDirectory {
            try StateDirectory.prepare(parent)
            folder = parent + "/" + (folder.split(separator: "/").last ?? "")
            try StateDirectory.prepare(folder)
        }
        do throws(LocalStateError) {
            return try BlockCache(
                folder + "/" + CachedBlocks.folderName,
                options: .init(limit: options.diskCache, minimumFree: options.minimumFreeDisk),
                logger: logger)
        } catch {
            throw CommandError(.localState, "the disk cache: \(error)")
        }
    }

    /// The attributes that earlier mounts have asked for; nil where none are wanted, or where the disk does not have them: the mount is
    /// then slower, and no other.
    private static func openHeaders(_ plan: MountPlan, _ local: LocalJournal, _ logger: Logger) -> HeaderCache? {
        let options = plan.request.options
        guard options.attributeCache > 0, options.attributes == .stored else { return nil }
        do throws(LocalStateError) {
            return try HeaderCache(
                in: local.journal.directory.path,
                options: .init(limit: options.attributeCache, minimumFree: options.minimumFreeDisk), logger: logger)
        } catch {
            logger.warning("attributes are not kept on this machine: \(error)")
            return nil
        }
    }

    private init(
        _ bucket: S3Store, _ plan: MountPlan, _ local: LocalJournal, _ cache: BlockCache?, _ headers: HeaderCache?,
        logger: Logger
    ) {
        let options = plan.request.options
        self.local = local
        self.logger = logger
        self.cache = cache
        self.headers = headers
        dropsCache = options.fine.dropsCache
        var below: any ObjectStore = bucket
        hedging = options.hedgedReads == .on ? HedgingStore(bucket) : nil
        if let hedging { below = hedging }
        if let cache { below = BlockCacheStore(below, cache: cache) }
        if options.isWriteBack, !options.isReadOnly {
            var settings = WriteBackStore.Options()
            settings.partSize = options.partSize
            settings.singlePutThreshold = options.partSize
            settings.overwritesConflicts = options.onConflict == .overwrite
            let store = WriteBackStore(
                CheckThenActStore(base: below), journal: local.journal, options: settings, logger: logger)
            writeBack = store
            backlog = WriteBackBacklog(store: store, prefix: plan.request.source.prefix)
            below = store
        } else {
            writeBack = nil
            backlog = NoBacklog(journal: local.journal)
        }
        store = Self.recording(below, local, plan.request.source.prefix, notesUploads: writeBack == nil)
    }

    /// Uploads what an earlier mount has left: in write-back mode what it had not uploaded yet, in strict mode what the store had
    /// not taken.
    private static func storeLeftovers(
        of local: LocalJournal, in bucket: S3Store, atMost limit: Duration, overwriting overwrites: Bool,
        _ logger: Logger
    ) async {
        let count = local.journal.intentsLeft
        guard count > 0 else { return local.journal.sweep() }
        logger.notice("\(count) changes that an earlier mount has left are uploaded first")
        var settings = WriteBackStore.Options()
        settings.overwritesConflicts = overwrites
        let store = WriteBackStore(
            CheckThenActStore(base: bucket), journal: local.journal, options: settings, logger: logger)
        let left = await store.close(draining: limit == .zero ? .seconds(1_000_000_000) : limit)
        if left > 0 {
            logger.error(
                "\(left) changes of an earlier mount are not in the bucket yet, and this mount does not show them; they stay in \(local.journal.directory.path), and the next mount tries again"
            )
        }
    }

    /// Lets the file system rely on what this machine keeps.
    func apply(to options: inout FileSystemOptions, _ plan: MountPlan) {
        let log = JournalLog(journal: local.journal, keepsForUpload: writeBack == nil, logger: logger)
        options.renameLog = log
        options.unstoredLog = log
        options.attributeCache = headers
        guard let writeBack else { return }
        options.ordersChanges = true
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
        let left = (await writeBack?.close() ?? 0) + local.journal.unstored.count
        cache?.close(removing: dropsCache)
        headers?.close()
        local.journal.close()
        guard left > 0 else { return nil }
        let what = left == 1 ? "1 change is" : "\(left) changes are"
        return
            "\(what) not in the bucket yet, but safe in \(local.journal.directory.path); the next mount of this bucket uploads "
            + (left == 1 ? "it" : "them")
    }
}
