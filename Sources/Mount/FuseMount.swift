internal import CFuse
public import FileSystem
import Glibc
public import Logging
import Synchronization
import SystemPackage

/// A file system mounted by the kernel's FUSE.
///
/// Threads: `options.threads` that take requests (see ``Dispatcher``), one that sends notifications, one that asks whether the
/// mount answers, and the one that calls ``run(onHangUp:onEnding:onReady:)``, which waits for signals and for the end. None of them
/// belongs to Swift's cooperative pool, and `run` must not be called on it: it blocks.
///
/// The end, whoever asks for it (see ``ShutdownMachine``): drain while requests go on being served; unmount, lazily where
/// the mount is in use; cancel what still waits; stop the threads; free the session. Each step is bounded, so `run` returns
/// within the drain's timeout and a few seconds.
public final class FuseMount: Sendable {
    /// Where it is mounted: absolute, without symbolic links.
    public let mountPoint: String

    private let options: FuseMountOptions
    private let logger: Logger
    private let dispatcher: Dispatcher
    private let session: Session
    private let notifications: NotificationQueue
    private let wakeUp: WakeUp
    private let hasRun = Atomic<Bool>(false)
    private let isEnding = Atomic<Bool>(false)
    private let events = Mutex<[ShutdownMachine.Event]>([])
    private let failure = Mutex<MountError?>(nil)
    private let workersLeft = Atomic<Int>(0)
    /// The mount's line in the mount table: tells our mount from another at the same place.
    private let identity: MountTable.Entry?

    /// Limits of the steps after the drain, in nanoseconds.
    private enum Limit {
        static let notifications: Int64 = 2_000_000_000
        static let workers: Int64 = 5_000_000_000
        static let requests: Int64 = 2_000_000_000
        static let readiness: Int64 = 1_000_000_000
        static let progress: Int64 = 5_000_000_000
    }

    /// Mounts. Requests wait in the kernel until ``run(onHangUp:onEnding:onReady:)``.
    ///
    /// - Parameters:
    ///   - fileSystem: what is mounted; told by `start` before anything else.
    ///   - mountPoint: an empty directory; see ``MountPoint``.
    ///   - options: how.
    ///   - logger: where messages go.
    /// - Throws: what speaks against it.
    public init(
        fileSystem: any MountableFileSystem, mountPoint: String, options: FuseMountOptions = FuseMountOptions(),
        logger: Logger
    ) throws(MountError) {
        let point = try MountPoint.prepare(mountPoint, allowsNonEmpty: options.allowsNonEmpty, logger: logger)
        let dispatcher = Dispatcher(fileSystem: fileSystem, options: options, logger: logger)
        do {
            wakeUp = try WakeUp()
            notifications = try NotificationQueue(gate: dispatcher.gate, logger: logger)
        } catch { throw .system("eventfd", error) }
        session = try Session(dispatcher: dispatcher, mountPoint: point.path, options: options, logger: logger)
        identity = MountTable.current().top(at: point.path)
        self.mountPoint = point.path
        self.options = options
        self.logger = logger
        self.dispatcher = dispatcher
        fileSystem.start(notifier: notifications)
    }

    /// Serves the mount until it ends. Once.
    ///
    /// - Parameters:
    ///   - onHangUp: called on SIGHUP, which does not end the mount. On the calling thread: nothing is handled meanwhile.
    ///   - onEnding: called once when the mount begins to end, before what is not stored is stored. On the calling thread.
    ///   - onReady: called on a thread of its own as soon as the mount answers.
    /// - Returns: How it ended. The mount point is free then.
    /// - Throws: `system` where threads cannot be started; `notAnswering` where stat(2) on the mount point fails. The mount
    ///   is gone then as well.
    public func run(
        onHangUp: (@Sendable () -> Void)? = nil, onEnding: (@Sendable () -> Void)? = nil,
        onReady: @escaping @Sendable () -> Void
    ) throws(MountError) -> MountEnd {
        precondition(!hasRun.exchange(true, ordering: .acquiringAndReleasing), "run is called once")
        var signals: SignalDescriptor?
        var workers: [PosixThread] = []
        var readiness: PosixThread?
        do {
            if options.handlesSignals {
                // This thread at least; main has called it before all other threads started.
                SignalSource.block()
                signals = try SignalDescriptor()
            }
            try notifications.start(session)
            let count = min(max(options.threads, 1), 64)
            workersLeft.store(count, ordering: .releasing)
            for number in 0..<count { workers.append(try startWorker(number)) }
            readiness = try PosixThread(name: "pail-ready") { [self] in awaitAnswer(then: onReady) }
        } catch {
            tearDown(workers: workers, readiness: readiness)
            throw .system("starting threads", error)
        }

        let end = waitForEnd(signals: signals, onHangUp: onHangUp, onEnding: onEnding)
        tearDown(workers: workers, readiness: readiness)
        if let failure = failure.withLock({ $0 }) { throw failure }
        return end
    }

    /// Ends the mount as SIGTERM does. From any thread; `run` returns some time later.
    public func stop() { post(.stop(.stopped)) }

    /// Requests that wait for an asynchronous verb at this moment.
    public var pendingRequests: Int { dispatcher.pending.count }

    /// What programs asked of the mount so far.
    public var metrics: OperationMetrics { dispatcher.metrics }

    deinit {
        guard !hasRun.load(ordering: .acquiring) else { return }
        unmountOurs()
        session.destroy()
    }

    // MARK: While it runs

    private func startWorker(_ number: Int) throws(Errno) -> PosixThread {
        try PosixThread(name: "pail-fuse-\(number)") { [self] in
            session.work(logger: logger)
            let isLast = workersLeft.subtract(1, ordering: .acquiringAndReleasing).newValue == 0
            if session.hasExited || isLast { post(.unmounted) }
        }
    }

    private func post(_ event: ShutdownMachine.Event) {
        events.withLock { $0.append(event) }
        wakeUp.signal()
    }

    /// On a thread of its own, as it waits for the answer to a request of its own.
    private func awaitAnswer(then onReady: @Sendable () -> Void) {
        var status = stat()
        for attempt in 1...3 {
            if stat(mountPoint, &status) == 0 {
                Readahead.raise(device: status.st_dev, to: options.maximumReadahead, logger: logger)
                onReady()
                return
            }
            let errno = Errno.last
            // Ended before it began. (Not to be asked of the session, which may be freed by now.)
            if isEnding.load(ordering: .acquiring) || errno == .socketNotConnected { return }
            logger.warning(
                "The mount point does not answer", metadata: ["attempt": "\(attempt)", "errno": "\(errno)"])
            failure.withLock { $0 = .notAnswering(mountPoint, errno) }
            usleep(300_000)
        }
        post(.stop(.stopped))
    }

    private func waitForEnd(
        signals: SignalDescriptor?, onHangUp: (@Sendable () -> Void)?, onEnding: (@Sendable () -> Void)?
    ) -> MountEnd {
        var machine = ShutdownMachine(drainTimeout: options.drainTimeout.nanoseconds)
        var drain: Task<Void, Never>?
        var (drainStart, lastProgress): (Int64, Int64) = (0, 0)
        while true {
            for event in nextEvents(signals: signals, onHangUp: onHangUp, deadline: machine.deadline) {
                let now = MonotonicClock.now
                switch machine.handle(event, now: now) {
                case .wait: break
                case .startDrain:
                    (drainStart, lastProgress) = (now, now)
                    onEnding?()
                    logger.info(
                        "The mount ends: storing what is not stored yet",
                        metadata: ["cause": "\(machine.cause.map(\.description) ?? "none")"])
                    drain = Task.detached { [self] in post(.drained(await dispatcher.fileSystem.drain())) }
                case .cancelDrain:
                    logger.warning("Giving up storing what is not stored yet")
                    drain?.cancel()
                case .finish(let end):
                    report(end)
                    return end
                }
            }
            let now = MonotonicClock.now
            if drain != nil, now - lastProgress >= Limit.progress {
                lastProgress = now
                let seconds = (now - drainStart) / 1_000_000_000
                logger.info(
                    "Still storing",
                    metadata: ["seconds": "\(seconds)", "atMost": "\(options.drainTimeout)"])
            }
        }
    }

    /// Waits for a signal, an event, the deadline, or (while draining) the time to tell of progress. The last is `.time`, always.
    private func nextEvents(
        signals: SignalDescriptor?, onHangUp: (@Sendable () -> Void)?, deadline: Int64?
    ) -> [ShutdownMachine.Event] {
        var descriptors = [pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0)]
        if let signals { descriptors.append(pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)) }
        var milliseconds: Int32 = -1
        if let deadline {
            let nanoseconds = min(
                max(deadline.subtractingReportingOverflow(MonotonicClock.now).partialValue, 0), Limit.progress)
            milliseconds = Int32((nanoseconds + 999_999) / 1_000_000)
        }
        poll(&descriptors, nfds_t(descriptors.count), milliseconds)

        var result: [ShutdownMachine.Event] = []
        while let signal = signals?.next() {
            if signal == SIGHUP { onHangUp?() } else { result.append(.stop(.signal(signal))) }
        }
        if descriptors[0].revents != 0 { wakeUp.wait() }
        result += events.withLock { waiting in
            defer { waiting.removeAll() }
            return waiting
        }
        return result + [.time]
    }

    private func report(_ end: MountEnd) {
        switch end.undrainedFiles {
        case 0: logger.info("All is stored")
        case let count?: logger.error("Files could not be stored", metadata: ["count": "\(count)"])
        case nil: logger.error("The file system did not say in time whether all is stored")
        }
    }

    // MARK: The end

    private func tearDown(workers: [PosixThread], readiness: PosixThread?) {
        isEnding.store(true, ordering: .releasing)
        unmountOurs()
        // Programs that still wait get EINTR; new requests (of a lazily unmounted file system) as well.
        dispatcher.pending.cancelAll()
        let isQuiet = notifications.close(within: Limit.notifications)
        if !isQuiet { abortConnection() }

        session.exit()
        var left = workers
        let deadline = MonotonicClock.now + Limit.workers
        while !left.isEmpty, MonotonicClock.now < deadline {
            // Again and again: a signal that comes just before the thread's read(2) is lost.
            for worker in left { worker.wake() }
            left.removeAll { $0.join(within: 10_000_000) }
        }

        let patience = MonotonicClock.now + Limit.requests
        while dispatcher.pending.count > 0, MonotonicClock.now < patience { usleep(2_000) }
        dispatcher.gate.close()
        if left.isEmpty && isQuiet {
            session.destroy()
        } else {
            // A thread is stuck in it. Its memory stays, which matters to nobody: the process is about to end.
            logger.error("A thread of the mount does not end", metadata: ["workers": "\(left.count)"])
            _ = Unmanaged.passRetained(self)
        }
        // Its stat(2) has ended with the connection, at the latest.
        if let readiness, !readiness.join(within: Limit.readiness) {
            logger.warning("Whoever waits for the mount to answer is still busy")
        }
    }

    /// Unmounts, if what is mounted there is ours.
    private func unmountOurs() {
        guard let identity, let top = MountTable.current().top(at: mountPoint), top == identity else { return }
        do {
            try unmount(mountPoint, lazy: false)
        } catch {
            if case .busy = error {
                logger.notice("The mount is in use: detaching it", metadata: ["mountPoint": "\(mountPoint)"])
            }
            do { try unmount(mountPoint, lazy: true) } catch {
                if case .notMounted = error { return }
                logger.error("\(error)")
            }
        }
    }

    /// Ends all requests in the kernel at once: the last resort where one of our threads waits in it for another's answer.
    /// Works only where fusectl is mounted; see Documentation/filesystems/fuse.rst of Linux.
    private func abortConnection() {
        guard let identity else { return }
        _ = FileContent.write("1", to: "/sys/fs/fuse/connections/\(identity.minor)/abort")
    }
}
