import CMicroHTTPD
import Glibc
public import Logging
import Synchronization
public import SystemPackage

/// A small HTTP/1.1 server on one socket, for machines that ask this one something: a container engine its volumes, Prometheus its metrics.
///
/// libmicrohttpd reads and writes in one thread of its own; see its manual, libmicrohttpd(3). A request that was read whole goes to the handler in
/// a task of its own, with its connection suspended meanwhile, so that any number of handlers may wait without a thread each.
///
/// Bounded are the header (32 KiB with libmicrohttpd's own buffers), the body, the number of connections, and the time in which nothing moves
/// (``HTTPServerLimits``). What is malformed is answered with 400 by libmicrohttpd. There is no TLS and no authentication: the socket says who may
/// connect. Answers are sent whole; nothing is streamed.
///
/// It runs until ``stop()``, also where nobody holds it any more.
public final class HTTPServer: Sendable {
    /// Answers a request. It must end: ``HTTPServer/stop()`` waits for it, and its client's going away is not told.
    public typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse

    private let daemon: HTTPDaemon

    /// Starts to serve.
    /// - Parameters:
    ///   - listener: a socket that is bound and listens (``ListeningSocket``). The server's from here on, also where it cannot be started.
    ///   - tooLarge: what a request with too large a body is answered; 413 and a line of text if it is left out.
    /// - Throws: `EAGAIN` or `ENOMEM` where the system has no thread or no memory for it, `EBADF` for what is no socket.
    public init(
        listener: Int32, limits: HTTPServerLimits = HTTPServerLimits(), logger: Logger,
        tooLarge: HTTPResponse = HTTPResponse(status: 413, text: "the request's body is too large"),
        handler: @escaping Handler
    ) throws(Errno) {
        daemon = HTTPDaemon(limits: limits, logger: logger, tooLarge: tooLarge, handler: handler)
        try daemon.start(listener)
    }

    /// Takes no further connection, waits for the handlers under way, gives their answers 5 s to be taken, closes all connections and the
    /// socket. The file of a Unix socket is left where it is. Once: later calls do nothing.
    public func stop() async { await daemon.stop() }
}

/// The thin part between libmicrohttpd's callbacks, ``ServingState`` and the handler.
private final class HTTPDaemon: @unchecked Sendable {
    private let limits: HTTPServerLimits
    private let logger: Logger
    private let tooLarge: HTTPResponse
    private let handler: HTTPServer.Handler
    /// The state, and who waits for it to be idle.
    private let state = Mutex<(serving: ServingState, waiter: CheckedContinuation<Void, Never>?)>((ServingState(), nil))
    /// Set by ``start(_:)``, cleared by ``stop()``; nobody else touches them.
    private var handle: OpaquePointer?
    private let callbacks = UnsafeMutablePointer<pail_http_callbacks>.allocate(capacity: 1)

    init(limits: HTTPServerLimits, logger: Logger, tooLarge: HTTPResponse, handler: @escaping HTTPServer.Handler) {
        self.limits = limits
        self.logger = logger
        self.tooLarge = tooLarge
        self.handler = handler
    }

    deinit { callbacks.deallocate() }

    func start(_ listener: Int32) throws(Errno) {
        // The running server holds itself: its callbacks come until it is stopped.
        let context = Unmanaged.passRetained(self)
        callbacks.initialize(
            to: pail_http_callbacks(
                context: context.toOpaque(),
                log: { context, text in
                    guard let text else { return }
                    let daemon = Unmanaged<HTTPDaemon>.fromOpaque(context!).takeUnretainedValue()
                    daemon.logger.debug("http: \(String(cString: text).filter { $0 != "\n" })")
                },
                handle: { context, connection, path, method, _, data, size, slot in
                    let daemon = Unmanaged<HTTPDaemon>.fromOpaque(context!).takeUnretainedValue()
                    guard let connection, let path, let method, let size, let slot else { return .NO }
                    return daemon.handle(connection, method, path, data, size, slot)
                },
                completed: { context, _, slot, _ in
                    let daemon = Unmanaged<HTTPDaemon>.fromOpaque(context!).takeUnretainedValue()
                    guard let exchange = slot?.pointee else { return }
                    slot?.pointee = nil
                    daemon.complete(Unmanaged<Exchange>.fromOpaque(exchange).takeRetainedValue())
                }))
        // libmicrohttpd's thread shall take none of the process's signals.
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        errno = 0
        handle = pail_http_start(listener, UInt32(limits.connections), UInt32(limits.timeoutSeconds), callbacks)
        let code = errno
        pthread_sigmask(SIG_SETMASK, &previous, nil)
        guard handle != nil else {
            close(listener)
            context.release()
            throw Errno(rawValue: code == 0 ? ENOMEM : code)
        }
    }

    func stop() async {
        guard state.withLock({ $0.serving.stop() }), let handle else { return }
        let listener = MHD_quiesce_daemon(handle)
        if listener >= 0 { close(listener) }
        await wait(for: { $0.handlers == 0 })
        let alarm = Task { [self] in
            guard (try? await Task.sleep(for: .seconds(5))) != nil else { return }
            change { $0.isOverdue = true }
        }
        await wait(for: { $0.mayEnd })
        alarm.cancel()
        // Returns once its thread has ended: no callback comes after it.
        MHD_stop_daemon(handle)
        self.handle = nil
        Unmanaged.passUnretained(self).release()
    }

    /// Waits for a state; `change` wakes it.
    private func wait(for isReached: @Sendable (ServingState) -> Bool) async {
        while !state.withLock({ isReached($0.serving) }) {
            await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
                let isReached = state.withLock { state in
                    if isReached(state.serving) { return true }
                    state.waiter = waiter
                    return false
                }
                if isReached { waiter.resume() }
            }
        }
    }

    // MARK: libmicrohttpd's thread

    private func handle(
        _ connection: OpaquePointer, _ method: UnsafePointer<CChar>, _ path: UnsafePointer<CChar>,
        _ data: UnsafePointer<CChar>?, _ size: UnsafeMutablePointer<Int>,
        _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> MHD_Result {
        guard let known = slot.pointee else {
            let exchange = Exchange(
                method: String(cString: method), path: String(cString: path), connection: connection,
                bodyLimit: limits.bodyBytes)
            slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
            return obey(exchange.begin(), connection)
        }
        let exchange = Unmanaged<Exchange>.fromOpaque(known).takeUnretainedValue()
        if size.pointee > 0 {
            let verdict = exchange.take(UnsafeRawBufferPointer(start: data, count: size.pointee))
            size.pointee = 0
            return obey(verdict, connection)
        }
        if let response = exchange.response { return send(response, connection) }
        guard let request = exchange.complete() else { return send(tooLarge, connection) }
        guard state.withLock({ $0.serving.begin() }) else {
            return send(HTTPResponse(status: 503, text: "the server stops"), connection)
        }
        exchange.isStarted = true
        MHD_suspend_connection(connection)
        let suspended = SuspendedConnection(connection)
        Task.detached { [self] in
            exchange.response = await handler(request)
            // libmicrohttpd calls ``handle`` again for it.
            suspended.resume()
            change { $0.answered() }
        }
        return .YES
    }

    private func complete(_ exchange: Exchange) {
        if exchange.isStarted { change { $0.completed() } }
    }

    private func change(_ body: (inout ServingState) -> Void) {
        state.withLock { state in
            body(&state.serving)
            return state.serving.isStopping ? state.waiter.take() : nil
        }?.resume()
    }

    private func obey(_ verdict: BodyCollector.Verdict, _ connection: OpaquePointer) -> MHD_Result {
        switch verdict {
        case .reading: .YES
        case .tooLarge: send(tooLarge, connection)
        case .cut: .NO
        }
    }

    private func send(_ response: HTTPResponse, _ connection: OpaquePointer) -> MHD_Result {
        var body = response.body
        guard let made = MHD_create_response_from_buffer(body.count, &body, .RESPMEM_MUST_COPY) else { return .NO }
        defer { MHD_destroy_response(made) }
        MHD_add_response_header(made, "Content-Type", response.contentType)
        for (name, value) in response.headers { MHD_add_response_header(made, name, value) }
        return MHD_queue_response(connection, UInt32(response.status), made)
    }
}

/// A connection that waits for its answer: libmicrohttpd takes the call from any thread.
private struct SuspendedConnection: @unchecked Sendable {
    private let connection: OpaquePointer
    init(_ connection: OpaquePointer) { self.connection = connection }
    func resume() { MHD_resume_connection(connection) }
}
