import Glibc
import Logging
import ObjectStore
import S3
import Synchronization

/// Sees to it that a mount knows what its store honours: by what an earlier mount has found, else by a probe that runs beside
/// the mount and delays nothing.
///
/// Until a probe's end, the file system both looks and sends conditions (``StoreFeatures/isProbing``). A probe that gets no answer is
/// made again; one that may not write is not. What the store lacks is named once in the log, with what that costs.
final class StoreCapabilities: Sendable {
    /// Between two probes where the first got no answer.
    private static let pause: Duration = .seconds(60)

    private static let connections = 8
    private static let attempts = 4

    private let store: S3Store
    private let plan: MountPlan
    private let logger: Logger
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(store: S3Store, plan: MountPlan, logger: Logger) {
        self.store = store
        self.plan = plan
        self.logger = logger
    }

    /// What was found is kept under this name. Stores can do less with keys of one's own: SeaweedFS copies no parts then.
    private var recordName: String { store.name + (plan.customerKeys.isEmpty ? "" : " with keys of one's own") }

    /// Sets what is known before the mount answers. No request.
    func recall() {
        let options = plan.request.options
        if options.probe == .never { return }
        if let record = CapabilityRecord.read(for: recordName, in: plan.stateDirectory), record.isFresh(at: Self.now) {
            store.setFeatures(record.features)
            name(record.features)
            return
        }
        if options.isReadOnly {
            logger.info("a mount that is read-only does not probe what the store honours")
            return
        }
        var features = store.features
        features.isProbing = true
        store.setFeatures(features)
    }

    /// Begins the probe where one is needed. To be called once the mount answers.
    func learn() {
        guard store.features.isProbing else { return }
        task.withLock { $0 = Task.detached { [self] in await probeUntilKnown() } }
    }

    /// Ends a probe that still runs, and waits until it has cleaned up behind it.
    func stop() async {
        guard let task = task.withLock({ $0 }) else { return }
        task.cancel()
        await task.value
    }

    private func probeUntilKnown() async {
        while !Task.isCancelled {
            do throws(StoreError) {
                try await probe()
                return
            } catch {
                guard error.kind != .cancelled else { return }
                if Self.isRefusal(error) {
                    logger.info("what the store honours is not probed, because it may not be written to: \(error)")
                    settle(store.features)
                    return
                }
                logger.info("the probe of what the store honours is made again in a minute: \(error)")
            }
            do { try await Task.sleep(for: Self.pause) } catch { return }
        }
    }

    private func probe() async throws(StoreError) {
        // With connections and patience of its own: what a store refuses by a 5xx is not asked for a minute, and the mount's
        // requests do not wait behind the probe's.
        var configuration = plan.storeConfiguration
        configuration.maxConnections = Self.connections
        configuration.maxAttempts = Self.attempts
        configuration.onOutage = .fail
        // What goes wrong here is told in one line below.
        let quiet = Logger(label: "pail.probe") { _ in SwiftLogNoOpLogHandler() }
        let own = S3Store(
            configuration: configuration, credentials: plan.credentials, metrics: store.metrics, logger: quiet)
        defer { own.shutdown() }
        let result = try await StoreProbe(own, prefix: plan.request.source.prefix).run()
        settle(result.features)
        name(result.features)
        guard result.isConclusive else {
            logger.info("the store failed amid the probe: the next mount asks again")
            return
        }
        let record = CapabilityRecord(store: recordName, time: Self.now, missing: Set(result.features.missing))
        do { try record.write(in: plan.stateDirectory) } catch {
            logger.info("what the store honours could not be kept for the next mount: \(error)")
        }
    }

    private func settle(_ features: StoreFeatures) {
        var features = features
        features.isProbing = false
        store.setFeatures(features)
    }

    /// Names what is missing, in one line each.
    private func name(_ features: StoreFeatures) {
        for capability in features.missing {
            logger.log(level: capability.isPromise ? .warning : .info, "\(capability.cost)")
        }
    }

    private static func isRefusal(_ error: StoreError) -> Bool {
        switch error.kind {
        case .unreachable, .timedOut, .throttled, .serverError, .tls, .badResponse: false
        default: true
        }
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec)
    }
}
