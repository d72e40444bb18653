internal import FileSystem
public import ObjectStore

/// Checks a bucket, or what lies below a prefix of it, and mends what it is told to.
///
/// **Problem.** A bucket may hold hundreds of millions of objects, is written to meanwhile, and each request costs money.
///
/// **Design.** Three passes in the order of the keys, a page of a thousand at a time, so that memory does not grow with the bucket:
/// the listing (one LIST a thousand), the headers (one HEAD each, ``CheckOptions/parallel`` at once, while the next page is
/// listed), the contents. After the first, the cost of the others is known and agreed to. What a page's checks find is
/// confirmed where somebody may have changed it meanwhile, mended if that is asked for, and added to the report; then the position
/// is kept, so that an interrupted check can go on.
///
/// **Limits.** The listing is one stream: a page has to be there for the next one to be asked for.
public final class BucketCheck: Sendable {
    let options: CheckOptions
    let events: CheckEvents
    let scope: CheckScope
    let meter: RequestMeter
    /// For looking: refuses what is over the limit.
    let store: any ObjectStore
    let repairer: Repairer
    private let localState: LocalStateCheck

    /// A check of a store.
    public init(_ store: any ObjectStore, options: CheckOptions, events: CheckEvents = CheckEvents()) {
        self.options = options
        self.events = events
        scope = CheckScope(prefix: options.prefix, now: options.now, minimumAge: options.minimumAge)
        meter = RequestMeter(limit: options.maximumRequests, used: options.requestsBefore)
        self.store = MeteredStore(base: store, meter: meter, isLimited: true)
        let mended = CheckThenActStore(base: MeteredStore(base: store, meter: meter, isLimited: false))
        repairer = Repairer(mended, prefix: options.prefix)
        localState = LocalStateCheck(
            options: options.localState, scope: scope, mending: options.mending, isDeep: options.readsHeaders,
            recovery: StateRecovery(
                store: mended, prefix: options.prefix, drainTimeout: options.localState.drainTimeout,
                logger: options.logger), logger: options.logger)
    }

    /// Runs it. Ends early where its task is cancelled or the limit of requests is reached: the report says so.
    public func run() async -> CheckReport {
        var run = CheckProgress(phase: .listing)
        if options.resumes, let path = options.positionFile, let position = CheckPosition.load(path, for: options),
            position.phase > .listing
        {
            run = CheckProgress(position)
        }
        let earlier = run.report.requests
        var failure: StoreError?
        do throws(StoreError) {
            if run.phase == .listing {
                if let features = options.features {
                    for finding in MissingCapability.findings(features) { run.report.add(finding) }
                }
                if let settings = options.settings {
                    let found = [BucketVersions.see(settings.versioning), UploadLifecycle.see(settings.uploadDays)]
                    for finding in found.compactMap({ $0 }) { run.report.add(finding) }
                }
                try await local(&run)
                try await listing(&run)
                guard await agreesToCost(&run) else { throw StoreError(.cancelled, operation: "check") }
                run.begin(.headers)
            }
            if run.phase == .headers {
                if options.readsHeaders { try await headers(&run) }
                run.begin(.data)
            }
            if options.verifiesData { try await contents(&run) }
        } catch {
            failure = error
        }
        run.report.isInterrupted = failure?.kind == .cancelled
        if let failure, failure.kind != .cancelled { run.report.fail(failure.description) }
        if meter.isExhausted { run.report.remarks.append("--max-requests is reached: what follows was not checked") }
        await writeMoves(&run)
        run.report.requests = earlier + meter.used
        keepPosition(&run, isDone: failure == nil)
        return run.report
    }

    // MARK: Pages

    /// Lists page by page; `take` works on one while the next is on its way.
    func forEachPage(
        after start: String?, _ run: inout CheckProgress,
        _ take: (ListPage, inout CheckProgress) async throws(StoreError) -> Void
    ) async throws(StoreError) {
        var request = ListRequest(prefix: options.prefix, startAfter: start, limit: 1000)
        var page = try await store.list(request)
        while true {
            guard let next = page.next else { return try await take(page, &run) }
            request.continuation = next
            let wanted = request
            async let following = result(of: wanted)
            let taken: Result<Void, StoreError>
            do throws(StoreError) { taken = .success(try await take(page, &run)) } catch { taken = .failure(error) }
            let answer = await following
            try taken.get()
            page = try answer.get()
        }
    }

    private func result(of request: ListRequest) async -> Result<ListPage, StoreError> {
        do throws(StoreError) { return .success(try await store.list(request)) } catch { return .failure(error) }
    }

    // MARK: This machine

    /// First of all: what it mends is in the bucket when that is listed.
    private func local(_ run: inout CheckProgress) async throws(StoreError) {
        let outcome = await localState.run()
        for (finding, state, remark) in outcome.findings { run.report.add(finding, state, remark: remark) }
        for error in outcome.errors { run.report.fail(error) }
        run.report.remarks += outcome.remarks
        run.moves += outcome.moves
        run.told = outcome.told
        if Task.isCancelled { throw StoreError(.cancelled, operation: "check") }
    }

    // MARK: The listing

    private func listing(_ run: inout CheckProgress) async throws(StoreError) {
        var walk = ListingWalk(prefix: options.prefix)
        var checks = CheckList.makeListingChecks()
        let scope = scope
        try await forEachPage(after: nil, &run) { page, run throws(StoreError) in
            var found: [Finding] = []
            for object in page.objects {
                let entry = walk.next(object)
                guard !entry.isRoot else { continue }
                for index in checks.indices { checks[index].see(entry, scope, &found) }
                run.report.objects += 1
                run.report.bytes += object.size
            }
            if page.next == nil { for index in checks.indices { checks[index].finish(scope, &found) } }
            try await settle(found, &run)
            events.progress(.listing, run.report.objects, nil)
        }
        try await uploads(&run)
    }

    private func uploads(_ run: inout CheckProgress) async throws(StoreError) {
        var after: UploadsMarker?
        while true {
            let page: UploadsPage
            do throws(StoreError) {
                page = try await store.listUploads(prefix: options.prefix, after: after)
            } catch {
                guard error.kind == .notImplemented || error.kind == .accessDenied || error.kind == .invalidRequest
                else { throw error }
                run.report.remarks.append("the store does not list incomplete uploads: \(error)")
                return
            }
            // Stores differ in how they take a prefix here.
            let own = page.uploads.filter { $0.key.hasPrefix(options.prefix) }
            let found = own.compactMap { IncompleteUpload.see($0, scope) }
            try await settle(try await lookAgain(at: found, run.told), &run)
            guard let next = page.next, next != after else { return }
            after = next
        }
    }

    private func agreesToCost(_ run: inout CheckProgress) async -> Bool {
        guard options.readsHeaders || options.verifiesData else { return true }
        let passes = (options.readsHeaders ? 1 : 0) + (options.verifiesData ? 1 : 0)
        let estimate = CostEstimate(
            lists: passes * (run.report.objects / 1000 + 1), heads: options.readsHeaders ? run.report.objects : 0,
            gets: options.verifiesData ? run.report.objects : 0, bytes: options.verifiesData ? run.report.bytes : 0)
        if await events.accepts(estimate) { return true }
        run.report.remarks.append("the headers were not looked at, because that was not agreed to")
        return false
    }

    // MARK: Position

    func keepPosition(_ run: inout CheckProgress, isDone: Bool) {
        guard let path = options.positionFile else { return }
        if isDone {
            CheckPosition.remove(path)
            return
        }
        run.report.requests = max(run.report.requests, meter.used)
        let position = CheckPosition(
            source: options.source, readsHeaders: options.readsHeaders, verifiesData: options.verifiesData,
            phase: run.phase, lastKey: run.lastKey, done: run.done, report: run.report)
        do { try position.save(path) } catch {
            let remark = "the position could not be kept in \(path): \(error)"
            if !run.report.remarks.contains(remark) { run.report.remarks.append(remark) }
        }
        run.saved = .now
    }
}

/// How far a check is.
struct CheckProgress: Sendable {
    var phase: CheckPhase
    /// All keys up to this one are done in this phase.
    var lastKey: String?
    /// How many.
    var done = 0
    var report = CheckReport()
    /// What went to `lost+found`: to, from, why.
    var moves: [(to: ObjectKey, from: ObjectKey, check: String)] = []
    /// What journals of dead mounts name, and has been told as theirs.
    var told = OwnedWork()
    /// When the position was last kept.
    var saved = ContinuousClock.now

    init(phase: CheckPhase) { self.phase = phase }

    init(_ position: CheckPosition) {
        phase = position.phase
        lastKey = position.lastKey
        done = position.done
        report = position.report
        report.isInterrupted = false
        report.errors = []
        report.remarks = ["gone on from an earlier run"]
    }

    mutating func begin(_ phase: CheckPhase) {
        self.phase = phase
        lastKey = nil
        done = 0
    }
}
