import ArgumentParser
import Check
import Glibc
import Logging
import Mount
import ObjectStore
import S3

/// `pail check s3://BUCKET[/PREFIX] [options]`, also as `fsck.pail` and `fsck.fuse.pail`.
///
/// Its exit status is fsck(8)'s and not that of Pail's other commands, so it ends the process itself.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check a bucket, and mend what it is told to. See: pail check --help")

    @Argument(parsing: .captureForPassthrough, help: "See: pail check --help")
    var arguments: [String] = []

    func run() async throws {
        let isFsck = CommandLine.arguments.first.map(Invocation.isFsck) ?? false
        do throws(CommandError) {
            Glibc.exit(try await Self.run(arguments, isFsck: isFsck).rawValue)
        } catch {
            LogSink.descriptor(2).write(error.line, level: .error)
            Glibc.exit((error.status == .usage ? CheckStatus.usage : .operationalError).rawValue)
        }
    }

    /// Runs the check and prints its report.
    static func run(_ arguments: [String], isFsck: Bool) async throws(CommandError) -> CheckStatus {
        let environment = ProcessState.environment()
        let entry = isFsck ? entry(of: arguments, environment) : nil
        let parsed = try CheckArguments(
            parsing: arguments, isFsck: isFsck, mountOptions: entry.map { ["-o", $0.options] } ?? [])
        guard case .check(let request) = parsed, let mount = request.mount else {
            print(CheckRequest.help)
            return []
        }
        ProcessState.settle(keepingDirectory: true)
        let directory = try ProcessState.currentDirectory()
        let handler = LineLogHandler(sink: .descriptor(2), format: .text, level: mount.options.logLevel)
        let logger = Logger(label: "pail") { _ in handler }
        let plan = try MountPlan(
            mount.absolute(in: directory), directory: directory, environment: environment, logger: logger)
        var configuration = plan.storeConfiguration
        configuration.maxConnections = max(configuration.maxConnections, request.parallel + 8)
        let store = S3Store(configuration: configuration, credentials: plan.credentials, logger: logger)
        defer { store.shutdown() }
        do throws(StoreError) {
            try await store.checkBucket()
        } catch {
            let failure = StoreFailure.commandError(for: error, in: plan.failureContext)
            // At boot, `fsck -A` runs before the network is up: nothing to be said of a bucket then.
            if failure.status == .unreachable, isFsck, entry?.needsNetwork ?? false {
                print("fsck.pail: \(mount.source): the network is not up; not checked")
                return []
            }
            throw failure
        }
        return try await check(store, request, plan, logger)
    }

    private static func entry(of arguments: [String], _ environment: [String: String]) -> FstabEntry? {
        let table = FstabEntry.table(environment)
        return arguments.lazy.compactMap { FstabEntry.find($0, in: table) }.first
    }

    private static func check(
        _ store: S3Store, _ request: CheckRequest, _ plan: MountPlan, _ logger: Logger
    ) async throws(CommandError) -> CheckStatus {
        let source = plan.request.source
        let began = ContinuousClock.now
        var options = CheckOptions()
        options.prefix = source.prefix
        options.readsHeaders = !request.isFast
        options.verifiesData = request.verifiesData
        options.mending = request.mending
        options.parallel = request.parallel
        options.minimumAge = request.minimumAge.components.seconds
        options.maximumRequests = request.maximumRequests
        options.isForced = request.isForced
        let mounts = LiveMounts(of: source, at: plan.target.endpoint.url)
        options.ownedWork = { mounts.owned() }
        options.uploadProgress = { upload async throws(StoreError) in try await store.progress(of: upload) }
        options.localState.directories = LocalJournal.directories(
            below: plan.stateDirectory, endpoint: plan.target.endpoint.url, bucket: source.bucket,
            prefix: source.prefix)
        options.localState.spillDirectory = plan.spillDirectory
        options.localState.maximumBytes = plan.request.options.journalSize
        if plan.request.options.drainTimeout > .zero {
            options.localState.drainTimeout = plan.request.options.drainTimeout
        }
        options.logger = logger
        options.now = Int64(time(nil))
        options.source = "\(store.name) \(source.prefix)"
        options.resumes = request.resumes
        options.positionFile = try positionFile(for: options.source, plan, isNeeded: request.resumes)
        options.features = await features(of: store, request, plan)
        // Not every store knows of them, and not all keys may ask.
        do throws(StoreError) {
            options.settings = BucketSettings(
                versioning: try await store.bucketVersioning(), uploadDays: try await store.daysUntilUploadsAreAborted()
            )
        } catch {
            logger.info("the bucket's settings are not told: \(error)")
        }
        options.requestsBefore = store.statistics.totalRequests
        let view = CheckProgressView(
            descriptor: request.progressDescriptor, source: "\(source)", isQuiet: request.printsJSON)
        var events = CheckEvents()
        events.progress = { phase, done, total in view.show(phase, done, of: total) }
        events.accepts = { estimate in
            view.clear()
            return accepts(estimate, request)
        }
        let check = BucketCheck(store, options: options, events: events)
        let report = await untilInterrupted { await check.run() }
        view.clear()
        let (seconds, attoseconds) = (ContinuousClock.now - began).components
        let time = Double(seconds) + Double(attoseconds) * 1e-18
        if request.printsJSON {
            print(JSONReport.text(report, source: "\(source)", seconds: time))
        } else {
            var style = TextReport.Style()
            style.hasColour = isatty(1) == 1 && getenv("NO_COLOR") == nil
            if request.isVerbose { style.examples = CheckReport.exampleLimit }
            style.command = "pail check \(source)"
            style.source = "\(source)"
            style.seconds = time
            style.mending = request.mending
            for line in TextReport(report, style: style).lines { print(line) }
        }
        fflush(nil)
        return report.status
    }

    /// What the store honours: probed where that was asked for, else as a mount of the last days has found it.
    private static func features(of store: S3Store, _ request: CheckRequest, _ plan: MountPlan) async -> StoreFeatures?
    {
        if request.probes {
            do throws(StoreError) {
                let result = try await StoreProbe(store, prefix: plan.request.source.prefix).run()
                store.setFeatures(result.features)
                if result.isConclusive {
                    let record = CapabilityRecord(
                        store: store.name, time: Int64(time(nil)), missing: Set(result.features.missing))
                    try? record.write(in: plan.stateDirectory)
                }
                return result.features
            } catch {
                LogSink.descriptor(2).write(
                    "pail: the store cannot be probed: \(Printable.line("\(error)"))", level: .warning)
            }
        } else if let record = CapabilityRecord.read(for: store.name, in: plan.stateDirectory),
            record.isFresh(at: Int64(time(nil)))
        {
            store.setFeatures(record.features)
            return record.features
        }
        // Not known: conditions are both looked at and sent.
        var features = store.features
        features.isProbing = true
        store.setFeatures(features)
        return nil
    }

    private static func positionFile(for source: String, _ plan: MountPlan, isNeeded: Bool) throws(CommandError)
        -> String?
    {
        let folder = plan.stateDirectory + "/check"
        do throws(CommandError) {
            try StateDirectory.prepare(plan.stateDirectory)
            try StateDirectory.prepare(folder)
        } catch {
            guard isNeeded else { return nil }
            throw error
        }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in source.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return folder + "/" + String(hash, radix: 16) + ".json"
    }

    /// Tells what the rest will cost, and asks where it is much and somebody sits there.
    private static func accepts(_ estimate: CostEstimate, _ request: CheckRequest) -> Bool {
        let isLarge = estimate.requests > request.asksAbove
        guard isLarge || (isatty(2) == 1 && !request.printsJSON) else { return true }
        var text = "To come: \(estimate.lists) LIST"
        if estimate.heads > 0 { text += ", \(estimate.heads) HEAD" }
        if estimate.gets > 0 { text += ", \(estimate.gets) GET of \(ByteText.short(estimate.bytes))" }
        text += " requests. "
        guard isLarge, !request.neverAsks, isatty(0) == 1, isatty(2) == 1 else {
            say(text + "\n")
            return true
        }
        say(text + "Go on? [y/N] ")
        // The signals that end a check are blocked: a read that waits would not see them.
        while !EarlySignals.arePending {
            var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
            guard poll(&input, 1, 100) > 0 else { continue }
            guard let answer = readLine()?.lowercased() else { return false }
            return answer == "y" || answer == "yes"
        }
        return false
    }

    private static func say(_ text: String) { _ = text.withCString { Glibc.write(2, $0, strlen($0)) } }

    /// The value of `work`, which is cancelled at SIGINT and SIGTERM and then ends by itself.
    private static func untilInterrupted<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value
    {
        let task = Task { await work() }
        let watch = Task {
            while !Task.isCancelled {
                if EarlySignals.arePending { return task.cancel() }
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
        let value = await task.value
        watch.cancel()
        return value
    }
}
