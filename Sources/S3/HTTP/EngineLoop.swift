internal import CCurl
internal import DequeModule
import Synchronization

/// The work of the engine's thread: starts what may start, lets libcurl run, hands out what is done.
///
/// Everything here is touched by that one thread only.
final class EngineLoop {
    /// How many idle handles are kept when there has been nothing to do for a while.
    private static let idleHandles = 2
    /// After this long without a request, idle handles and their buffers are given back.
    private static let idleMilliseconds: Int32 = 10_000
    /// How often the line is looked through for those whose time is up.
    private static let queueScanMilliseconds: Int32 = 1_000

    private let mailbox: EngineMailbox
    private let multi: UnsafeMutableRawPointer
    private let share: UnsafeMutableRawPointer?
    private let options: HTTPEngine.Options
    private var limit: ConcurrencyLimit
    private var queue = Deque<Transfer>()
    /// Idle handles with small buffers, and those with large ones.
    private var handles: [EasyHandle] = []
    private var largeHandles: [EasyHandle] = []
    /// Handles with large buffers, idle and in use.
    private var largeCount = 0
    /// The transfers on the multi handle, held alive for libcurl's callbacks.
    private var active: [ObjectIdentifier: Transfer] = [:]

    init(mailbox: EngineMailbox, multi: UnsafeMutableRawPointer, options: HTTPEngine.Options) {
        self.mailbox = mailbox
        self.multi = multi
        self.options = options
        limit = ConcurrencyLimit(maximum: options.maxConnections)
        // Connections kept: all that may ever be in use.
        _ = pail_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, options.maxConnections)
        _ = pail_curl_multi_set_long(multi, CURLMOPT_PIPELINING, 0)
        // TLS sessions are kept by handle unless they are shared. One thread: no locks needed.
        share = curl_share_init()
        if let share { _ = pail_curl_share(share, CURL_LOCK_DATA_SSL_SESSION) }
    }

    /// Runs until the mailbox is closed; then fails what is left and frees everything.
    func run() {
        while true {
            let mail = mailbox.take()
            if mail.isClosed {
                shutDown(mail)
                return
            }
            queue.append(contentsOf: mail.submitted)
            for transfer in mail.cancelled { cancel(transfer) }
            startQueued()
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            if collectFinished() > 0, !queue.isEmpty { continue }
            var events: Int32 = 0
            let isIdle = active.isEmpty && queue.isEmpty
            let timeout = queue.isEmpty ? Self.idleMilliseconds : Self.queueScanMilliseconds
            curl_multi_poll(multi, nil, 0, timeout, &events)
            if isIdle { trimHandles() }
            if !queue.isEmpty { expireQueued() }
        }
    }

    private func startQueued() {
        while active.count < limit.current, let transfer = queue.popFirst() { start(transfer) }
    }

    private func start(_ transfer: Transfer) {
        if transfer.isCancelled.load(ordering: .acquiring) {
            transfer.finish(.failure(HTTPFailure(kind: .cancelled, message: "cancelled")))
            return
        }
        let left = transfer.expires - .now
        guard left > .zero else {
            transfer.finish(.failure(HTTPFailure(kind: .timedOut, message: "no connection became free in time")))
            return
        }
        guard let handle = takeHandle(for: transfer.request),
            handle.prepare(for: transfer, timeoutMilliseconds: max(1, left.milliseconds)),
            curl_multi_add_handle(multi, handle.raw) == CURLM_OK
        else {
            transfer.finish(.failure(HTTPFailure(kind: .unsendable, message: "libcurl does not take the request")))
            return
        }
        transfer.handle = handle
        active[ObjectIdentifier(transfer)] = transfer
    }

    /// An idle handle, or a new one: with large buffers where the transfer gains by them and there may be one more.
    private func takeHandle(for request: HTTPRequest) -> EasyHandle? {
        if EasyHandle.gainsByLargeBuffers(request) {
            if let handle = largeHandles.popLast() { return handle }
            if largeCount < options.buffers.largeHandles {
                guard let handle = EasyHandle(options: options, share: share, isLarge: true) else { return nil }
                largeCount += 1
                return handle
            }
        }
        return handles.popLast() ?? EasyHandle(options: options, share: share, isLarge: false)
    }

    private func keep(_ handle: EasyHandle) {
        if handle.isLarge { largeHandles.append(handle) } else { handles.append(handle) }
    }

    /// Hands out the outcomes of the transfers that are done, and returns how many.
    private func collectFinished() -> Int {
        var count = 0
        var raw: UnsafeMutableRawPointer?
        var code = CURLE_OK
        while pail_curl_next_done(multi, &raw, &code) != nil {
            guard let raw else { continue }
            var context: UnsafeMutableRawPointer?
            guard pail_curl_get_private(raw, &context) == CURLE_OK, let context else { continue }
            finish(Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue(), code)
            count += 1
        }
        return count
    }

    private func finish(_ transfer: Transfer, _ code: CURLcode) {
        guard let handle = transfer.handle else { return }
        let reused = handle.reusedConnection
        let activeBefore = active.count
        let result: Result<HTTPResponse, HTTPFailure>
        if var problem = transfer.problem {
            problem.wasReused = reused
            result = .failure(problem)
        } else if code == CURLE_OK || transfer.hasEnough, transfer.status >= 200 {
            let response = transfer.response()
            if response.status == 503 || response.status == 429 {
                limit.refused(active: activeBefore)
            } else {
                limit.succeeded()
            }
            result = .success(response)
        } else {
            let kind = HTTPFailure.Kind(code)
            result = .failure(HTTPFailure(kind: kind, message: handle.message(for: code), wasReused: reused))
        }
        release(transfer)
        transfer.finish(result)
    }

    private func cancel(_ transfer: Transfer) {
        let failure = HTTPFailure(kind: .cancelled, message: "cancelled")
        if transfer.handle != nil {
            release(transfer)
            transfer.finish(.failure(failure))
        } else if let index = queue.firstIndex(where: { $0 === transfer }) {
            queue.remove(at: index)
            transfer.finish(.failure(failure))
        }
        // Else it is done already, or has not come yet and will be refused by its flag.
    }

    /// Takes a transfer off the multi handle; amid a transfer this closes the connection.
    private func release(_ transfer: Transfer) {
        guard let handle = transfer.handle else { return }
        curl_multi_remove_handle(multi, handle.raw)
        handle.forget()
        transfer.handle = nil
        active[ObjectIdentifier(transfer)] = nil
        keep(handle)
    }

    private func expireQueued() {
        let now = ContinuousClock.now
        guard queue.contains(where: { $0.expires <= now }) else { return }
        let expired = queue.filter { $0.expires <= now }
        queue.removeAll { $0.expires <= now }
        for transfer in expired {
            transfer.finish(.failure(HTTPFailure(kind: .timedOut, message: "no connection became free in time")))
        }
    }

    private func trimHandles() {
        if handles.count > Self.idleHandles { handles.removeFirst(handles.count - Self.idleHandles) }
        largeCount -= largeHandles.count
        largeHandles.removeAll()
    }

    private func shutDown(_ mail: EngineMailbox.Content) {
        let failure = HTTPFailure(kind: .cancelled, message: "the client is shut down")
        for transfer in Array(active.values) {
            release(transfer)
            transfer.finish(.failure(failure))
        }
        for transfer in queue { transfer.finish(.failure(failure)) }
        for transfer in mail.submitted { transfer.finish(.failure(failure)) }
        queue.removeAll()
        handles.removeAll()
        largeHandles.removeAll()
        curl_multi_cleanup(multi)
        if let share { curl_share_cleanup(share) }
    }
}

extension HTTPFailure.Kind {
    /// libcurl's code in our terms.
    init(_ code: CURLcode) {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY,
            CURLE_INTERFACE_FAILED:
            self = .unreachable
        case CURLE_OPERATION_TIMEDOUT: self = .timedOut
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER:
            self = .untrusted
        case CURLE_SSL_CONNECT_ERROR: self = .handshake
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING:
            self = .malformed
        case CURLE_URL_MALFORMAT, CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT, CURLE_NOT_BUILT_IN: self = .unsendable
        default: self = .broken
        }
    }
}

extension Duration {
    /// Whole milliseconds, rounded up.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
