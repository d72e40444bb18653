import FileSystem
import Glibc
import LocalState
import Logging
import Mount
import ObjectStore
import S3
import Synchronization

extension MountCommand {
    /// Puts the layers together and serves until the mount ends.
    ///
    /// The order is that of what is cheapest to find wrong: the mount point, the store (one request, tried at most three times),
    /// the state directory, the kernel's mount. What fails leaves nothing behind.
    /// - Parameters:
    ///   - service: told of the mount's life.
    ///   - ready: called once the mount answers; false ends it again.
    static func mount(
        _ plan: MountPlan, logger: Logger, log: LogControl, service: ServiceNotifier?,
        ready: @escaping @Sendable () -> Bool
    ) async throws(CommandError) {
        let options = plan.request.options
        let publisher = try MetricsPublisher(
            address: options.metrics.flatMap { MetricsAddress($0) }, file: options.metricsFile, logger: logger)
        let requestLog = try options.requestLog.map { path throws(CommandError) in try RequestLog(path) }
        var plan = plan
        if let requestLog { plan.onRequest = { record in requestLog.write(record) } }
        return try await mountObserved(
            plan, requestLog, publisher, logger: logger, log: log, service: service, ready: ready)
    }

    private static func mountObserved(
        _ plan: MountPlan, _ requestLog: RequestLog?, _ publisher: MetricsPublisher, logger: Logger, log: LogControl,
        service: ServiceNotifier?, ready: @escaping @Sendable () -> Bool
    ) async throws(CommandError) {
        let options = plan.request.options
        do throws(MountError) {
            _ = try MountPoint.prepare(
                plan.request.mountPoint, allowsNonEmpty: options.allowsNonempty, logger: logger)
        } catch { throw MountFailure.commandError(for: error) }

        UserSignals.handle { number in
            if number == SIGUSR2 { log.goToNextLevel() }
        }
        let store = S3Store(configuration: plan.storeConfiguration, credentials: plan.credentials, logger: logger)
        defer { store.shutdown() }
        switch await EarlySignals.race({ () async -> Result<Void, CommandError> in
            do throws(CommandError) {
                do throws(CredentialsError) { try await plan.credentials.prepare() } catch {
                    throw CommandError(error.isTransient ? .unreachable : .configuration, error.description)
                }
                return .success(try await check(store, plan))
            } catch { return .failure(error) }
        }) {
        case nil: throw CommandError(.failure, "interrupted before \(plan.request.source) was mounted")
        case .failure(let error): throw error
        case .success: break
        }

        plan.memory.applyToAllocator()
        try StateDirectory.prepare(plan.stateDirectory)
        try StateDirectory.prepare(plan.spillDirectory)
        let capabilities = StoreCapabilities(store: store, plan: plan, logger: logger)
        capabilities.recall()
        let stack = try await StoreStack.open(store, plan, logger: logger)
        var fileSystemOptions = plan.fileSystemOptions
        stack.apply(to: &fileSystemOptions, plan)
        let fileSystem = BucketFileSystem(
            store: stack.store, prefix: plan.request.source.prefix, options: fileSystemOptions, logger: logger)
        let end: MountEnd
        let control = ControlSlot()
        // Whatever happens: whoever waits for the end is told.
        defer { control.server?.close(ControlReply(error: "the mount has failed; see its log")) }
        do throws(MountError) {
            let mount = try FuseMount(
                fileSystem: fileSystem, mountPoint: plan.request.mountPoint, options: plan.kernelOptions, logger: logger
            )
            UserSignals.handle { number in
                switch number {
                case SIGUSR1:
                    MountReport(store: store, mount: mount).write(to: plan.request.options.fine.reportFile, logger)
                case SIGUSR2: log.goToNextLevel()
                default: break
                }
            }
            let responder = MountResponder(
                plan: plan, store: store, fileSystem: fileSystem, mount: mount, backlog: stack.backlog,
                cacheCounts: { stack.cacheCounts }, hedgeCounts: { stack.hedgeCounts })
            let reopen: @Sendable () -> Void = {
                log.reopen()
                if let problem = requestLog?.reopen() {
                    logger.error("the log of requests cannot be opened anew: \(problem)")
                }
            }
            end = try await mount.serve(onHangUp: reopen, onEnding: { service?.stop() }) {
                control.server = ControlServer(of: mount.mountPoint, responder: responder, logger: logger)
                logger.notice(
                    "mounted", metadata: ["source": "\(plan.request.source)", "mountPoint": "\(mount.mountPoint)"])
                publisher.start { await responder.metrics() }
                if !ready() { mount.stop() }
                service?.ready(source: plan.request.source.description, mountPoint: mount.mountPoint)
                capabilities.learn()
            }
        } catch {
            await publisher.stop()
            _ = await stack.close()
            throw MountFailure.commandError(for: error)
        }
        await publisher.stop()
        await capabilities.stop()
        let left = await stack.close()
        logger.notice("unmounted", metadata: ["cause": "\(end.cause)", "mountPoint": "\(plan.request.mountPoint)"])
        guard end.isComplete else {
            let what = end.undrainedFiles.map { "\($0) files" } ?? "some files, perhaps,"
            let error = CommandError(
                .failure,
                left
                    ?? "\(what) of \(plan.request.source) could not be stored before the mount ended; see the log "
                    + "(--drain-timeout sets how long to wait)")
            control.server?.close(ControlReply(error: error.message))
            throw error
        }
        control.server?.close(ControlReply(done: 0))
    }
}

/// Where the thread that finds the mount answering leaves the server for the one that sees the mount end.
private final class ControlSlot: Sendable {
    private let slot = Mutex<ControlServer?>(nil)
    var server: ControlServer? {
        get { slot.withLock { $0 } }
        set { slot.withLock { $0 = newValue } }
    }
}

extension ControlServer {
    /// The server of the mount at `mountPoint`, at the address where this user's commands look for it.
    fileprivate convenience init?(of mountPoint: String, responder: any Responder, logger: Logger) {
        guard let mount = try? MountedFileSystem.containing(mountPoint).mount else { return nil }
        let directory = ControlAddress.directory(uid: geteuid(), environment: ProcessState.environment())
        self.init(
            path: ControlAddress.path(of: mount.device, in: directory), responder: responder, logger: logger)
    }
}

extension MountCommand {
    /// Asks for the bucket, and where the options want it for the prefix: one request, or two.
    private static func check(_ store: S3Store, _ plan: MountPlan) async throws(CommandError) {
        let prefix = plan.request.source.prefix
        do throws(StoreError) {
            try await store.checkBucket()
            guard !prefix.isEmpty, plan.request.options.fine.requiresPrefix else { return }
            let page = try await store.list(ListRequest(prefix: prefix, limit: 1))
            if !page.objects.isEmpty || !page.commonPrefixes.isEmpty { return }
        } catch { throw StoreFailure.commandError(for: error, in: plan.failureContext) }
        throw CommandError(
            .refused,
            "bucket \"\(plan.request.source.bucket)\": there is no directory /\(prefix.dropLast()) in it; make it first"
        )
    }
}

extension MountPlan {
    /// What the layers have of the memory.
    var memory: MemoryPlan { MemoryPlan(limit: Int(request.options.memory ?? MemoryDefault.bytes())) }

    /// For the store.
    var storeConfiguration: S3Configuration {
        let options = request.options
        var result = S3Configuration(
            endpoint: target.endpoint.url, region: target.region, bucket: request.source.bucket,
            addressing: target.addressing)
        result.listingVersion = options.listVersion == 1 ? .v1 : .v2
        result.maxConnections = Int(options.maxConnections)
        result.bufferMemory = memory.transferBuffers
        result.connectTimeout = options.connectTimeout
        result.requestDeadline = options.requestDeadline
        result.copyDeadline = max(result.copyDeadline, options.requestDeadline)
        result.onOutage = options.onOutage == .wait ? .wait : .fail
        result.checksum =
            switch options.checksum {
            case .crc32c: .crc32c
            case .md5: .md5
            case .none: .none
            }
        result.signPayload = options.signsPayload
        result.userAgent = options.fine.userAgent ?? "pail/\(PailCommand.version)"
        result.caFile = target.caBundle
        result.verifyTLS = options.verifiesTLS
        result.requesterPays = options.requesterPays
        result.storageClass = options.storageClass
        let fine = options.fine
        result.acl = fine.acl
        result.objectACLs = options.objectACLs == .keep ? .keep : .ignore
        result.serverSideEncryption = fine.serverSideEncryption
        result.kmsKeyID = fine.kmsKeyID
        result.onRequest = onRequest
        result.customerKeys = customerKeys
        result.encryptsByCustomerKey = fine.encryptsByCustomerKey
        result.transport = transport
        if let limit = fine.stallLimit {
            result.stallLimit = limit
            result.attemptTimeout = max(result.attemptTimeout, limit)
        }
        if let attempts = fine.maxAttempts { result.maxAttempts = max(1, attempts) }
        return result
    }

    /// Where data to be uploaded goes that finds no room in memory.
    var spillDirectory: String { stateDirectory + "/spill" }

    /// For the file system.
    var fileSystemOptions: FileSystemOptions {
        let options = request.options
        var result = FileSystemOptions()
        result.owner = geteuid()
        result.group = getegid()
        result.ownerShown = options.uid.map { UInt32($0) }
        result.groupShown = options.gid.map { UInt32($0) }
        result.umask = options.umask.map { UInt32($0) }
        if let mode = options.fileMode { result.filePermissions = UInt32(mode) }
        if let mode = options.directoryMode {
            result.directoryPermissions = UInt32(mode)
            result.rootPermissions = UInt32(mode)
        }
        let fine = options.fine
        if let mode = fine.rootMode { result.rootPermissions = mode }
        if let parts = fine.parallelParts { result.parallelParts = parts }
        result.contentTypesFile = fine.contentTypesFile
        result.hasExtendedAttributes = fine.hasExtendedAttributes
        result.showsDeniedAsNotPermitted = fine.showsDeniedAsNotPermitted
        result.capacity = fine.capacity
        let (seconds, attoseconds) = options.attributeTimeout.components
        result.attributeTimeout = Double(seconds) + Double(attoseconds) * 1e-18
        result.memoryLimit = memory.limit
        result.maximumInodes = Int(options.maximumInodes)
        result.overwritesConflicts = options.onConflict == .overwrite
        result.readsFilesAhead = options.readAheadFiles == .on
        result.walksAhead = options.walkAhead == .on
        result.listStreams = Int(options.listStreams)
        result.attributes = options.attributes == .listing ? .listing : .stored
        result.minimumFreeDisk = options.minimumFreeDisk
        result.diskLimit = options.spillLimit
        result.partSize = options.partSize
        result.isReadOnly = options.isReadOnly
        if options.kernelFlags.contains("nodiratime") { result.accessTimes = .relativeOfFiles }
        if options.kernelFlags.contains("noatime") { result.accessTimes = .never }
        result.spillDirectory = spillDirectory
        if options.lateClaims == .on { result.claimsLate = { CopyingProgram.isOne(pid: $0.pid) } }
        result.hasOtherDescriptors = { pid, inode in DescriptorProbe.hasOtherDescriptors(pid: pid, inode: inode) }
        return result
    }

    /// For the kernel.
    var kernelOptions: FuseMountOptions {
        let options = request.options
        // 0 means "without limit": thirty years, which any clock can add to.
        let drainTimeout = options.drainTimeout == .zero ? .seconds(1_000_000_000) : options.drainTimeout
        return FuseMountOptions(
            source: options.fsName ?? request.source.description, subtype: options.subtype,
            allowOther: options.allowsOther, allowRoot: options.allowsRoot, readOnly: options.isReadOnly,
            defaultPermissions: true, extraOptions: options.kernelFlags, allowsNonEmpty: options.allowsNonempty,
            threads: options.threads.map { Int($0) } ?? FuseMountOptions.defaultThreads,
            maximumWrite: memory.largestRequest, drainTimeout: drainTimeout)
    }
}

extension UnmountCommand {
    /// Takes the mount away.
    static func unmount(_ path: String, lazily: Bool) throws(CommandError) {
        do throws(MountError) {
            try Mount.unmount(path, lazy: lazily)
        } catch { throw MountFailure.commandError(for: error) }
    }
}
