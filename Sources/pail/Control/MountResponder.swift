import FileSystem
import Glibc
import LocalState
import Metrics
import Mount
import ObjectStore
import S3
import Synchronization

/// Answers what is asked of this mount, from its layers.
struct MountResponder: ControlServer.Responder {
    let plan: MountPlan
    let store: S3Store
    let fileSystem: BucketFileSystem
    let mount: FuseMount
    /// What write-back mode has still to do.
    let backlog: any Backlog
    /// The disk cache's counts; nil where there is none.
    let cacheCounts: @Sendable () -> BlockCache.Counts?
    /// The counts of GETs that were sent twice; nil where none is.
    let hedgeCounts: @Sendable () -> HedgingStore.Counts?
    let began = ContinuousClock.now
    private let beganAt = Double(time(nil))

    init(
        plan: MountPlan, store: S3Store, fileSystem: BucketFileSystem, mount: FuseMount, backlog: any Backlog,
        cacheCounts: @escaping @Sendable () -> BlockCache.Counts?,
        hedgeCounts: @escaping @Sendable () -> HedgingStore.Counts?
    ) {
        self.plan = plan
        self.store = store
        self.fileSystem = fileSystem
        self.mount = mount
        self.backlog = backlog
        self.cacheCounts = cacheCounts
        self.hedgeCounts = hedgeCounts
    }

    func status() async -> MountStatus {
        let statistics = store.statistics
        let usage = fileSystem.usage
        return MountStatus(
            source: plan.request.source.description, mountPoint: mount.mountPoint, endpoint: plan.target.endpoint.url,
            pid: getpid(), version: PailCommand.version, uptime: (ContinuousClock.now - began).inSeconds,
            mode: backlog.mode, isReadOnly: plan.request.options.isReadOnly, waitingRequests: mount.pendingRequests,
            memoryUsed: usage.memory, memoryLimit: usage.memoryLimit, inodes: usage.inodes,
            residentMemory: ProcessState.residentMemory(),
            requests: .init(
                total: statistics.totalRequests, byOperation: statistics.requests, retries: statistics.retries,
                failures: statistics.failures, bytesSent: statistics.bytesSent,
                bytesReceived: statistics.bytesReceived, byStatus: byStatus),
            pending: await backlog.pending(), journal: backlog.journal.directory.path, activity: activity,
            isStoreLost: store.isLost)
    }

    private var byStatus: [String: Int] {
        store.metrics.requests.reduce(into: [:]) { result, answers in
            result[answers.status, default: 0] += Int(answers.count)
        }
    }

    private var activity: MountStatus.Activity {
        var result = MountStatus.Activity()
        let metrics = mount.metrics
        for operation in FileSystemOperation.allCases {
            let row = metrics.latency(of: operation)
            guard row.count > 0 else { continue }
            var errors = 0
            for (name, count) in metrics.errors(of: operation) {
                errors += Int(count)
                // These are answers, and programs ask for them all the time.
                if name != "ENOENT", name != "ENODATA" { result.errors += Int(count) }
            }
            result.operations += Int(row.count)
            result.byOperation[operation.name] = .init(
                count: Int(row.count), waited: Int(metrics.waits(of: operation)), errors: errors, mean: row.mean,
                slowest1Percent: row.quantile(0.99))
        }
        result.bytesFromMemory = Int64(metrics.bytesRead.fromMemory)
        result.bytesRead = result.bytesFromMemory + Int64(metrics.bytesRead.afterWait)
        result.bytesWritten = Int64(metrics.bytesWritten)
        if let counts = cacheCounts() {
            result.diskCacheHits = counts.hits
            result.diskCacheMisses = counts.misses
            result.diskCacheBytes = counts.bytes
        }
        return result
    }

    /// All that is counted, for Prometheus.
    func metrics() async -> MetricsReport {
        let usage = fileSystem.usage
        return MetricsReport(
            mountPoint: mount.mountPoint, source: plan.request.source.description, began: beganAt,
            requests: store.metrics, isStoreLost: store.isLost, operations: mount.metrics,
            pending: await backlog.pending(), cache: cacheCounts(), hedges: hedgeCounts(),
            credentials: plan.credentials.status,
            memory: usage.memory, memoryLimit: usage.memoryLimit, residentMemory: ProcessState.residentMemory(),
            inodes: usage.inodes, waitingOperations: mount.pendingRequests)
    }

    /// One request, with the store's usual retries.
    func check() async -> String? {
        do throws(StoreError) {
            try await store.checkBucket()
            return nil
        } catch { return StoreFailure.commandError(for: error, in: plan.failureContext).message }
    }

    func pending() async -> MountStatus.Pending { await backlog.pending() }

    func sync(_ path: String) async -> String? {
        let failures = await fileSystem.storeAll(below: path)
        if let reason = await backlog.settle(below: path) { return reason }
        return failures == 0 ? nil : "\(failures) files could not be stored; the mount's log says why"
    }

    func refresh(_ path: String) async -> Int { fileSystem.forgetCached(below: path) }
}

/// What a mount has taken and not stored yet, as far as it outlives the programs' calls.
protocol Backlog: Sendable {
    /// `strict` or `write-back`.
    var mode: String { get }
    /// What this machine keeps, in either mode.
    var journal: Journal { get }
    /// What waits.
    func pending() async -> MountStatus.Pending
    /// Waits until all that waits below a path of the mount is in the bucket; a sentence where something cannot be stored.
    func settle(below path: String) async -> String?
}

/// Strict mode: what is answered is stored. What a close could not store, and its caller knows of, is tried again.
struct NoBacklog: Backlog {
    let journal: Journal
    var mode: String { "strict" }
    func pending() async -> MountStatus.Pending {
        let unstored = journal.unstored
        let now = Int64(time(nil))
        return MountStatus.Pending(
            changes: unstored.count, bytes: unstored.reduce(0) { $0 + $1.bytes },
            oldestAge: Double(unstored.map { now - $0.date.seconds }.max() ?? 0),
            first: unstored.prefix(100).map {
                .init(
                    kind: "put", key: $0.key.string, bytes: $0.bytes, age: Double(now - $0.date.seconds), attempts: 1,
                    lastError: "its close has failed; the mount's log says why")
            },
            kept: .of(journal))
    }
    func settle(below path: String) async -> String? { nil }
}

extension Duration {
    /// In seconds, with fractions.
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

extension [MountStatus.Pending.Kept] {
    /// What a journal keeps, the first hundred.
    static func of(_ journal: Journal) -> Self {
        journal.kept.prefix(100).map { .init(id: $0.id, key: $0.key.string, bytes: $0.size, reason: $0.reason) }
    }
}
