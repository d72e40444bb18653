internal import CCurl
internal import ObjectStore

/// A libcurl easy handle that serves one transfer after another, with the memory of its header list.
///
/// What is the same for all transfers is set once; a transfer sets only what differs. (`curl_easy_reset` would free and set
/// some forty options each time.) Connections belong to the multi handle, so handles are interchangeable.
///
/// Used on the engine's thread only.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var lines: UnsafeMutablePointer<CChar>
    private var linesCapacity: Int
    private var nodes: UnsafeMutablePointer<curl_slist>
    private var nodesCapacity: Int
    private let connectTimeoutMilliseconds: Int
    private var receiveBuffer = 0
    private var sendBuffer = 0

    /// Whether it may have large buffers: see ``TransferBuffers``.
    let isLarge: Bool
    private let buffers: TransferBuffers

    /// After so long without a byte the peer is asked whether it is still there, and again so often, see tcp(7).
    private static let keepAliveIdleSeconds = 15
    private static let keepAliveIntervalSeconds = 5

    /// A handle with everything set that does not change; nil when memory is short.
    init?(options: HTTPEngine.Options, share: UnsafeMutableRawPointer?, isLarge: Bool) {
        guard let raw = curl_easy_init() else { return nil }
        self.raw = raw
        self.isLarge = isLarge
        buffers = options.buffers
        connectTimeoutMilliseconds = options.connectTimeoutMilliseconds
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        linesCapacity = 4096
        lines = .allocate(capacity: linesCapacity)
        nodesCapacity = 32
        nodes = .allocate(capacity: nodesCapacity)
        _ = pail_curl_set_pointer(raw, CURLOPT_ERRORBUFFER, errorText)
        _ = pail_curl_set_long(raw, CURLOPT_NOSIGNAL, 1)
        _ = pail_curl_set_long(raw, CURLOPT_NOPROGRESS, 1)
        _ = pail_curl_set_long(raw, CURLOPT_PATH_AS_IS, 1)
        _ = pail_curl_set_long(raw, CURLOPT_FOLLOWLOCATION, 0)
        _ = pail_curl_set_long(raw, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        // An object stored with a Content-Encoding is its encoded bytes.
        _ = pail_curl_set_long(raw, CURLOPT_HTTP_CONTENT_DECODING, 0)
        _ = pail_curl_set_long(raw, CURLOPT_TCP_NODELAY, 1)
        _ = pail_curl_set_long(raw, CURLOPT_TCP_KEEPALIVE, 1)
        _ = pail_curl_set_string(raw, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = pail_curl_set_long(raw, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        // A host that has vanished while it works on a request answers no probe and acknowledges nothing: the connection
        // then ends by itself, which no limit for answers would do before ten minutes for a copy inside the store.
        _ = pail_curl_set_long(raw, CURLOPT_TCP_KEEPIDLE, Self.keepAliveIdleSeconds)
        _ = pail_curl_set_long(raw, CURLOPT_TCP_KEEPINTVL, Self.keepAliveIntervalSeconds)
        _ = pail_curl_set_socket_timeout(raw, options.silenceMilliseconds)
        _ = pail_curl_set_string(raw, CURLOPT_USERAGENT, options.userAgent)
        if let caFile = options.caFile { _ = pail_curl_set_string(raw, CURLOPT_CAINFO, caFile) }
        if !options.verifyTLS {
            _ = pail_curl_set_long(raw, CURLOPT_SSL_VERIFYPEER, 0)
            _ = pail_curl_set_long(raw, CURLOPT_SSL_VERIFYHOST, 0)
        }
        if !apply(options.transport) { return nil }
        if let share { _ = pail_curl_set_pointer(raw, CURLOPT_SHARE, share) }
        _ = pail_curl_set_data_function(raw, CURLOPT_HEADERFUNCTION, Transfer.headerCallback)
        _ = pail_curl_set_data_function(raw, CURLOPT_WRITEFUNCTION, Transfer.bodyCallback)
        _ = pail_curl_set_data_function(raw, CURLOPT_READFUNCTION, Transfer.readCallback)
        _ = pail_curl_set_seek_function(raw, Transfer.seekCallback)
        _ = pail_curl_set_prereq_function(raw, Transfer.prereqCallback)
    }

    /// Sets what is out of the ordinary.
    /// - Returns: false where libcurl does not take a value.
    private func apply(_ transport: TransportOptions) -> Bool {
        var isSet = true
        func set(_ option: CURLoption, _ value: String?) {
            if let value, pail_curl_set_string(raw, option, value) != CURLE_OK { isSet = false }
        }
        func set(_ option: CURLoption, _ value: Int) {
            if pail_curl_set_long(raw, option, value) != CURLE_OK { isSet = false }
        }
        set(CURLOPT_PROXY, transport.proxy)
        set(CURLOPT_PROXYUSERPWD, transport.proxyCredentials)
        set(CURLOPT_SSL_CIPHER_LIST, transport.cipherSuites)
        if let certificate = transport.clientCertificate {
            set(CURLOPT_SSLCERT, certificate.file)
            set(CURLOPT_SSLCERTTYPE, certificate.type)
            set(CURLOPT_SSLKEY, certificate.keyFile)
            set(CURLOPT_SSLKEYTYPE, certificate.keyType)
            set(CURLOPT_KEYPASSWD, certificate.password)
        }
        switch transport.addresses {
        case .any: break
        case .v4: set(CURLOPT_IPRESOLVE, Int(CURL_IPRESOLVE_V4))
        case .v6: set(CURLOPT_IPRESOLVE, Int(CURL_IPRESOLVE_V6))
        }
        if !transport.verifiesHostName { set(CURLOPT_SSL_VERIFYHOST, 0) }
        if !transport.keepsAddresses { set(CURLOPT_DNS_CACHE_TIMEOUT, 0) }
        if !transport.keepsSessions { set(CURLOPT_SSL_SESSIONID_CACHE, 0) }
        return isSet
    }

    deinit {
        curl_easy_cleanup(raw)
        errorText.deallocate()
        lines.deallocate()
        nodes.deallocate()
    }

    /// Sets the handle up for a transfer.
    /// - Returns: false when libcurl does not take the URL or memory is short.
    func prepare(for transfer: Transfer, timeoutMilliseconds: Int) -> Bool {
        let request = transfer.request
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        errorText[0] = 0
        var isSet = true
        func check(_ code: CURLcode) { if code != CURLE_OK { isSet = false } }
        for option in [
            CURLOPT_HEADERDATA, CURLOPT_WRITEDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA, CURLOPT_PREREQDATA,
            CURLOPT_PRIVATE,
        ] {
            check(pail_curl_set_pointer(raw, option, context))
        }
        request.url.withUnsafeBufferPointer { url in
            url.withMemoryRebound(to: CChar.self) { check(pail_curl_set_string(raw, CURLOPT_URL, $0.baseAddress)) }
        }
        check(pail_curl_set_long(raw, CURLOPT_HTTPGET, 1))
        switch request.method {
        case .get: check(pail_curl_set_string(raw, CURLOPT_CUSTOMREQUEST, nil))
        case .head:
            check(pail_curl_set_string(raw, CURLOPT_CUSTOMREQUEST, nil))
            check(pail_curl_set_long(raw, CURLOPT_NOBODY, 1))
        case .delete: check(pail_curl_set_string(raw, CURLOPT_CUSTOMREQUEST, "DELETE"))
        case .put, .post:
            check(pail_curl_set_long(raw, CURLOPT_UPLOAD, 1))
            check(pail_curl_set_string(raw, CURLOPT_CUSTOMREQUEST, request.method == .put ? nil : "POST"))
            check(pail_curl_set_offset(raw, CURLOPT_INFILESIZE_LARGE, curl_off_t(request.body?.length ?? 0)))
        }
        check(pail_curl_set_headers(raw, headerList(request.headers)))
        check(pail_curl_set_long(raw, CURLOPT_TIMEOUT_MS, timeoutMilliseconds))
        let connectLimit = request.connectTimeout.map { min(connectTimeoutMilliseconds, max(1, $0.milliseconds)) }
        check(pail_curl_set_long(raw, CURLOPT_CONNECTTIMEOUT_MS, connectLimit ?? connectTimeoutMilliseconds))
        check(pail_curl_set_long(raw, CURLOPT_LOW_SPEED_LIMIT, request.stallSeconds > 0 ? 1 : 0))
        check(pail_curl_set_long(raw, CURLOPT_LOW_SPEED_TIME, request.stallSeconds))
        setBuffers(receiving: request.expectedLength, sending: request.body?.length ?? 0)
        return isSet
    }

    /// Makes the handle forget the transfer, so that nothing points to it any more.
    func forget() {
        _ = pail_curl_set_headers(raw, nil)
        _ = pail_curl_set_pointer(raw, CURLOPT_PRIVATE, nil)
    }

    /// What libcurl says of the last failure.
    func message(for code: CURLcode) -> String {
        errorText[0] != 0 ? String(cString: errorText) : String(cString: curl_easy_strerror(code))
    }

    /// Whether the last transfer opened no connection of its own.
    var reusedConnection: Bool {
        var connections = 0
        return pail_curl_get_long(raw, CURLINFO_NUM_CONNECTS, &connections) == CURLE_OK && connections == 0
    }

    /// Whether a request had better go by a handle with large buffers.
    static func gainsByLargeBuffers(_ request: HTTPRequest) -> Bool {
        TransferBuffers.gainsByLarge(receiving: request.expectedLength, sending: request.body?.length ?? 0)
    }

    private func setBuffers(receiving: Int64, sending: Int64) {
        let receive =
            isLarge && receiving > Int64(TransferBuffers.smallReceive)
            ? buffers.largeReceive : TransferBuffers.smallReceive
        if receive != receiveBuffer {
            receiveBuffer = receive
            _ = pail_curl_set_long(raw, CURLOPT_BUFFERSIZE, receive)
        }
        let send =
            isLarge && sending > Int64(TransferBuffers.smallSend) ? buffers.largeSend : TransferBuffers.smallSend
        if send != sendBuffer {
            sendBuffer = send
            _ = pail_curl_set_long(raw, CURLOPT_UPLOAD_BUFFERSIZE, send)
        }
    }

    /// The lines as the linked list that libcurl wants, in memory that the handle keeps for the next transfer.
    private func headerList(_ block: [UInt8]) -> UnsafeMutablePointer<curl_slist>? {
        if block.count > linesCapacity {
            lines.deallocate()
            linesCapacity = block.count
            lines = .allocate(capacity: linesCapacity)
        }
        block.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress {
                UnsafeMutableRawPointer(lines).copyMemory(from: base, byteCount: bytes.count)
            }
        }
        var count = 0
        for byte in block where byte == 0 { count += 1 }
        guard count > 0 else { return nil }
        if count > nodesCapacity {
            nodes.deallocate()
            nodesCapacity = count
            nodes = .allocate(capacity: nodesCapacity)
        }
        var node = 0
        var start = 0
        for index in 0..<block.count where block[index] == 0 {
            nodes[node] = curl_slist(data: lines + start, next: node + 1 < count ? nodes + node + 1 : nil)
            node += 1
            start = index + 1
        }
        return nodes
    }
}
