import CFuse
import FileSystem
import Glibc
import Logging
import Metrics
import Synchronization
import SystemPackage

/// A request of the kernel: answered exactly once, whatever happens.
///
/// A second answer is a bug that is logged and dropped. A request that nobody answers would block a program for ever: dropping
/// the last reference answers `EIO` and logs it.
///
/// An interrupt (the program got a signal) reaches the task through ``PendingRequests``. The kernel then waits for the
/// answer all the same, unless the signal kills the program; in that case it forgets the request, and the reply fails with
/// `ENOENT`: what the reply would have handed over (a lookup, a handle) must be taken back by the caller.
final class FuseRequest: Sendable {
    /// libfuse's request. Not to be used after the reply, which frees it.
    nonisolated(unsafe) let raw: fuse_req_t
    private let isAnswered = Atomic<Bool>(false)

    /// The mount's dispatcher.
    let dispatcher: Dispatcher
    private let operation: FileSystemOperation
    private let arrival = MonotonicTime.nanoseconds
    /// Whether it could not be answered at once. Set on the FUSE thread, before the task that reads it begins.
    private nonisolated(unsafe) var waits = false

    init(_ raw: fuse_req_t, _ operation: FileSystemOperation) {
        self.raw = raw
        self.operation = operation
        dispatcher = Dispatcher.of(raw)
    }

    /// The file system.
    var fileSystem: any MountableFileSystem { dispatcher.fileSystem }

    /// Who asks. Only before the reply: afterwards libfuse has freed the request.
    var caller: Caller {
        let context = fuse_req_ctx(raw).pointee
        return Caller(uid: context.uid, gid: context.gid, pid: context.pid, umask: context.umask)
    }

    /// Answers by one of libfuse's `fuse_reply_…` functions, which frees libfuse's request.
    /// - Returns: Whether the kernel took the answer.
    @discardableResult
    func reply(_ send: (fuse_req_t) -> Int32) -> Bool {
        guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing) else {
            dispatcher.logger.error("A request was answered twice; the second answer is dropped")
            return false
        }
        // Before the answer, so that the program that has it finds itself counted.
        dispatcher.metrics.ended(operation, nanoseconds: MonotonicTime.nanoseconds - arrival, waited: waits)
        return dispatcher.gate.pass { send(raw) == 0 } ?? false
    }

    /// Answers with an error.
    @discardableResult
    func reply(error: Errno) -> Bool {
        dispatcher.metrics.failed(operation, error)
        return reply { fuse_reply_err($0, error.rawValue) }
    }

    /// Counts what a read gives or a write takes; before the answer.
    func note(read bytes: Int) { dispatcher.metrics.read(bytes, waited: waits) }
    func note(written bytes: Int) {
        // Not what is copied by copy_file_range(2), which no program has in its hands.
        if operation == .write { dispatcher.metrics.written(bytes) }
    }

    /// Answers with nothing but success, or with an error.
    func reply(_ result: Result<Void, Errno>) {
        switch result {
        case .success: reply { fuse_reply_err($0, 0) }
        case .failure(let error): reply(error: error)
        }
    }

    /// Goes on in a task, which must answer. The FUSE thread returns at once.
    func continueAsynchronously(_ operation: @escaping @Sendable (FuseRequest) async -> Void) {
        waits = true
        let pending = dispatcher.pending
        let number = pending.begin()
        // Before the task exists, as its reply frees the request. libfuse calls back at once if the interrupt is there already,
        // and otherwise on a FUSE thread under the request's lock: nothing may be done there but cancel.
        fuse_req_interrupt_func(
            raw,
            { request, number in
                guard let request else { return }
                Dispatcher.of(request).pending.cancel(UInt(bitPattern: number))
            }, UnsafeMutableRawPointer(bitPattern: number))
        let task = Task.detached { [self] in
            await operation(self)
            if !isAnswered.load(ordering: .acquiring) {
                dispatcher.logger.error("A request's task ended without an answer; answering EIO")
                reply(error: .ioError)
            }
            pending.end(number)
        }
        pending.attach(task, to: number)
    }

    deinit {
        guard !isAnswered.load(ordering: .acquiring) else { return }
        dispatcher.logger.error("A request was dropped without an answer; answering EIO")
        let raw = raw
        _ = dispatcher.gate.pass { fuse_reply_err(raw, EIO) }
    }
}

/// The outcome of an asynchronous verb as a value, so that both ways of answering share one reply.
func outcome<Value>(_ verb: () async throws(Errno) -> Value) async -> Result<Value, Errno> {
    do { return .success(try await verb()) } catch { return .failure(error) }
}

extension FileName {
    /// A name as the kernel hands it over: bytes up to a NUL.
    init(kernel name: UnsafePointer<CChar>) throws(Errno) {
        try self.init(UnsafeRawBufferPointer(start: name, count: strlen(name)))
    }
}
