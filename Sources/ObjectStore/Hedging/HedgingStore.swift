import Synchronization

/// A store whose GETs are asked once more where the answer is late: see ``HedgePolicy``.
///
/// **Design.** A GET runs as it is. Beside it a task sleeps until the GET has kept its reader waiting for too long, and then sends a second
/// one for the bytes that are still missing, of the same version (`If-Match`). Whichever is ahead feeds the reader (``HedgedDownload``);
/// the first to be complete ends the other. An error counts only where no other request is left.
///
/// **Cost.** No request more for a GET that is answered in time. At most one GET in 20 is sent twice; the loser's connection is lost, as
/// HTTP/1.1 has no other way to end an answer. No copy.
///
/// **Limits.** Only reads: nothing that changes the bucket is ever sent twice from here.
public final class HedgingStore: ForwardingStore {
    /// What came of the second requests.
    public struct Counts: Sendable, Equatable {
        /// Second requests sent.
        public var sent = 0
        /// Those that were complete before the first one.
        public var won = 0

        /// Nothing yet.
        public init() {}
    }

    /// The store inside.
    public let base: any ObjectStore
    private let policy: Mutex<HedgePolicy>
    private let counted = Mutex(Counts())
    private let clock = ContinuousClock()

    /// Hedges the reads of `base`.
    public convenience init(_ base: any ObjectStore) { self.init(base, policy: HedgePolicy()) }

    init(_ base: any ObjectStore, policy: HedgePolicy) {
        self.base = base
        self.policy = Mutex(policy)
    }

    /// What came of the second requests so far.
    public var counts: Counts { counted.withLock { $0 } }

    /// GetObject: one request, or two where the first one's answer is late.
    @discardableResult
    public func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        let patience = policy.withLock { policy in
            policy.requestBegan()
            return policy.patience
        }
        let download = SharedDownload(sink, began: clock.now)
        defer { download.close() }
        let first = AttemptSink(.first, of: download)
        // Without a version to ask for, two answers could be of two versions.
        guard let patience, let ifMatch else {
            let info = try await base.get(key, range: range, ifMatch: ifMatch, into: first)
            noteFirstByte(of: download)
            return info
        }
        let outcome = await race(download, patience) {
            await Self.attempt { () async throws(StoreError) in
                try await self.base.get(key, range: range, ifMatch: ifMatch, into: first)
            }
        } second: {
            guard self.policy.withLock({ $0.takeHedge() }) else { return nil }
            self.counted.withLock { $0.sent += 1 }
            return await Self.attempt { () async throws(StoreError) in
                try await self.base.get(
                    key, range: download.remainder ?? range, ifMatch: ifMatch, into: AttemptSink(.second, of: download))
            }
        }
        noteFirstByte(of: download)
        return try outcome.get()
    }

    private enum Event: Sendable {
        case ended(HedgedDownload.Attempt, Result<ObjectInfo, StoreError>?)
        case late
    }

    private func race(
        _ download: SharedDownload, _ patience: Int64,
        first: @escaping @Sendable () async -> Result<ObjectInfo, StoreError>,
        second: @escaping @Sendable () async -> Result<ObjectInfo, StoreError>?
    ) async -> Result<ObjectInfo, StoreError> {
        await withTaskGroup(of: Event.self) { group in
            group.addTask { .ended(.first, await first()) }
            group.addTask {
                await self.waitUntilLate(download, patience)
                return .late
            }
            var failure: Result<ObjectInfo, StoreError>?
            var underWay = 1
            while let event = await group.next() {
                switch event {
                case .late:
                    // Ended meanwhile, or cancelled: the other event is on its way.
                    guard underWay == 1, !Task.isCancelled else { continue }
                    underWay += 1
                    group.addTask { .ended(.second, await second()) }
                case .ended(let attempt, let result):
                    underWay -= 1
                    if case .success(let info) = result, download.isComplete(by: attempt) {
                        if attempt == .second { counted.withLock { $0.won += 1 } }
                        group.cancelAll()
                        return .success(download.begun ?? info)
                    }
                    // The first request's error is what the caller would have met without the second.
                    if attempt == .first || failure == nil { failure = result ?? failure }
                    if underWay == 0, let failure {
                        group.cancelAll()
                        return failure.flatMap { _ in .failure(Self.mute(download)) }
                    }
                }
            }
            return failure ?? .failure(StoreError(.cancelled, operation: "GetObject"))
        }
    }

    /// Returns once the download has kept its reader waiting for too long, or when the task is cancelled.
    private func waitUntilLate(_ download: SharedDownload, _ patience: Int64) async {
        let stall = policy.withLock { $0.stall }
        while !Task.isCancelled {
            let (idle, hasBegun) = download.idle(at: clock.now)
            let allowed = Duration.nanoseconds(hasBegun ? max(stall, patience) : patience)
            guard idle < allowed else { return }
            try? await Task.sleep(for: allowed - idle, clock: clock)
        }
    }

    private func noteFirstByte(of download: SharedDownload) {
        guard let wait = download.firstWait else { return }
        policy.withLock { $0.noteFirstByte(after: wait.nanoseconds) }
    }

    /// The second request was answered, but with bytes that could not be used, after the first one had failed.
    private static func mute(_ download: SharedDownload) -> StoreError {
        StoreError(.badResponse, operation: "GetObject", message: "two answers were of different versions")
    }

    private static func attempt(_ get: () async throws(StoreError) -> ObjectInfo) async -> Result<
        ObjectInfo, StoreError
    > {
        do throws(StoreError) { return .success(try await get()) } catch { return .failure(error) }
    }
}

extension Duration {
    fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

/// A download that two requests may feed, and since when its reader waits.
private final class SharedDownload: Sendable {
    private struct State {
        var download = HedgedDownload()
        var lastProgress: ContinuousClock.Instant
        var firstWait: Duration?
        var isOpen = true
    }

    private let sink: any DownloadSink
    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    init(_ sink: any DownloadSink, began start: ContinuousClock.Instant) {
        self.sink = sink
        self.start = start
        state = Mutex(State(lastProgress: start))
    }

    /// How long the reader waited for the first byte; nil before it.
    var firstWait: Duration? { state.withLock { $0.firstWait } }

    var begun: ObjectInfo? { state.withLock { $0.download.begun } }

    func idle(at now: ContinuousClock.Instant) -> (Duration, hasBegun: Bool) {
        state.withLock { (now - $0.lastProgress, $0.download.begun != nil) }
    }

    func isComplete(by attempt: HedgedDownload.Attempt) -> Bool {
        state.withLock { $0.download.isComplete(by: attempt) }
    }

    /// What is still missing; nil before an answer has begun.
    var remainder: Range<Int64>? { state.withLock { $0.download.remainder } }

    /// The caller's sink gets nothing any more.
    func close() { state.withLock { $0.isOpen = false } }

    // The sink is fed under the lock: two requests' bytes must not overtake each other. It must not wait, by its own contract.

    func begin(_ attempt: HedgedDownload.Attempt, _ info: ObjectInfo, _ range: Range<Int64>) {
        state.withLock { state in
            guard state.isOpen else { return }
            state.lastProgress = .now
            if state.download.begin(attempt, info, range) {
                state.firstWait = state.lastProgress - start
                sink.begin(info, range: range)
            }
        }
    }

    func receive(_ attempt: HedgedDownload.Attempt, _ bytes: UnsafeRawBufferPointer) {
        state.withLock { state in
            guard state.isOpen else { return }
            let new = state.download.receive(attempt, count: bytes.count)
            guard !new.isEmpty else { return }
            state.lastProgress = .now
            sink.receive(UnsafeRawBufferPointer(rebasing: bytes[new]))
        }
    }
}

/// Where one of the two requests delivers.
private final class AttemptSink: DownloadSink {
    private let attempt: HedgedDownload.Attempt
    private let download: SharedDownload

    init(_ attempt: HedgedDownload.Attempt, of download: SharedDownload) {
        self.attempt = attempt
        self.download = download
    }

    func begin(_ info: ObjectInfo, range: Range<Int64>) { download.begin(attempt, info, range) }

    func receive(_ bytes: UnsafeRawBufferPointer) { download.receive(attempt, bytes) }
}
