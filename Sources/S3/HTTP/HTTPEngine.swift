internal import CCurl
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The HTTP client: one libcurl multi handle on a thread of its own that serves any number of tasks.
///
/// Problem: a file system has hundreds of requests under way, each moving bytes between a socket and memory that someone
/// else owns, and each may be given up at any moment. A thread per request would cost memory and switches; a task per
/// request would copy the bytes through channels.
///
/// Design: tasks put transfers and cancellations into a mailbox and suspend; the thread takes them out, lets libcurl do the
/// protocol, and calls bodies and receivers right from libcurl's callbacks. Connections are kept and bounded by bounding
/// the transfers under way (each holds one connection); what is beyond waits in line, first come first served. A cancelled
/// transfer is taken off the multi handle, which closes its connection, before its task goes on: from then on its body and its
/// receiver are not touched.
///
/// Limits: HTTP/1.1 only, which is what S3 speaks. One thread moves 1 to 2 GB/s.
final class HTTPEngine: Sendable {
    /// What holds for all requests.
    struct Options: Sendable {
        var maxConnections = 128
        var buffers = TransferBuffers(memory: 32 << 20)
        var connectTimeoutMilliseconds = 10_000
        /// A peer that acknowledges nothing for so long is gone (`TCP_USER_TIMEOUT`, see tcp(7)).
        var silenceMilliseconds = 30_000
        var userAgent = "pail"
        var caFile: String?
        var verifyTLS = true
        var transport = TransportOptions()
    }

    private let mailbox: EngineMailbox
    private let thread: Mutex<pthread_t?>

    /// Starts the thread.
    /// - Throws: when libcurl or the system gives no handle or no thread.
    init(options: Options) throws(HTTPFailure) {
        Self.initializeLibrary
        guard let multi = curl_multi_init() else {
            throw HTTPFailure(kind: .unsendable, message: "libcurl cannot be started")
        }
        mailbox = EngineMailbox(multi: multi)
        let loop = EngineLoop(mailbox: mailbox, multi: multi, options: options)
        guard let started = Self.startThread(loop) else {
            mailbox.close()
            curl_multi_cleanup(multi)
            throw HTTPFailure(kind: .unsendable, message: "no thread for HTTP can be started")
        }
        thread = Mutex(started)
    }

    deinit { shutdown() }

    /// Sends a request and waits for its end. Cancelling the task ends the transfer.
    func perform(_ request: HTTPRequest) async -> HTTPOutcome {
        let transfer = Transfer(request)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.continuation = continuation
                if !mailbox.submit(transfer) {
                    transfer.finish(.failure(HTTPFailure(kind: .cancelled, message: "the client is shut down")))
                }
            }
        } onCancel: {
            transfer.isCancelled.store(true, ordering: .releasing)
            mailbox.noteCancellation(of: transfer)
        }
    }

    /// Ends all transfers (their requests fail as cancelled), closes the connections and waits for the thread. Again does nothing.
    func shutdown() {
        mailbox.close()
        let started = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let started else { return }
        // A receiver may hold the last reference to the store; then this runs on the thread itself.
        if pthread_equal(started, pthread_self()) != 0 {
            pthread_detach(started)
        } else {
            pthread_join(started, nil)
        }
    }

    private static let initializeLibrary: Void = { _ = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) }()

    private static func startThread(_ loop: consuming EngineLoop) -> pthread_t? {
        // Not made by Swift's initialiser: which module that belongs to depends on which C header was read first.
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        pthread_attr_init(attributes)
        defer {
            pthread_attr_destroy(attributes)
            attributes.deallocate()
        }
        pthread_attr_setstacksize(attributes, 1 << 20)
        // Signals are for the process's other threads. A write to a closed TLS connection would raise SIGPIPE here.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let context = Unmanaged.passRetained(loop)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, attributes,
            { context in
                guard let context else { return nil }
                pail_name_thread("pail-http")
                Unmanaged<EngineLoop>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if status != 0 {
            context.release()
            return nil
        }
        return thread
    }
}

/// What tasks leave for the engine's thread.
final class EngineMailbox: @unchecked Sendable {
    struct Content {
        var submitted: [Transfer] = []
        var cancelled: [Transfer] = []
        var isClosed = false
        var isEmpty: Bool { submitted.isEmpty && cancelled.isEmpty && !isClosed }
    }

    private let multi: UnsafeMutableRawPointer
    private let content = Mutex(Content())

    init(multi: UnsafeMutableRawPointer) { self.multi = multi }

    /// Hands a transfer over; false when the engine is shut down.
    func submit(_ transfer: Transfer) -> Bool {
        content.withLock { content in
            if content.isClosed { return false }
            let wasEmpty = content.isEmpty
            content.submitted.append(transfer)
            // Under the lock: once it is closed, the multi handle may be gone.
            if wasEmpty { curl_multi_wakeup(multi) }
            return true
        }
    }

    /// Says that a transfer is no longer wanted, before or after it is submitted.
    func noteCancellation(of transfer: Transfer) {
        content.withLock { content in
            if content.isClosed { return }
            let wasEmpty = content.isEmpty
            content.cancelled.append(transfer)
            if wasEmpty { curl_multi_wakeup(multi) }
        }
    }

    /// Takes no more.
    func close() {
        content.withLock { content in
            if content.isClosed { return }
            content.isClosed = true
            curl_multi_wakeup(multi)
        }
    }

    /// What has come since the last call.
    func take() -> Content {
        content.withLock { content in
            let taken = content
            content.submitted = []
            content.cancelled = []
            return taken
        }
    }
}
