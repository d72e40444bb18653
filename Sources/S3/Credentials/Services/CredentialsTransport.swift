internal import ObjectStore

/// HTTP for the services that give credentials: one small request at a time, by the engine that the store uses.
///
/// One lives for one refresh. Its engines (a thread each) begin with the first request and end with it: a refresh comes once
/// an hour, and nothing is kept for it meanwhile.
final class CredentialsTransport {
    private let caFile: String?
    private let proxy: TransportOptions
    private let userAgent: String
    private var open: [Bool: HTTPEngine] = [:]

    /// - Parameters:
    ///   - caFile: certificates to trust; nil for the system's.
    ///   - proxy: how connections to services outside of this machine are made.
    init(caFile: String?, proxy: TransportOptions, userAgent: String) {
        self.caFile = caFile
        self.proxy = proxy
        self.userAgent = userAgent
    }

    deinit { for engine in open.values { engine.shutdown() } }

    /// A request.
    struct Request {
        var method = HTTPMethod.get
        /// Absolute.
        var url: String
        var headers: [SignatureV4.Field] = []
        var body: [UInt8]?
        /// For all of it.
        var timeout: Duration = .seconds(10)
        /// Whether the service is of this machine's own, so that no proxy may be asked for it.
        var isLocal = false
    }

    /// Sends a request and gives its answer, of any status. One request.
    /// - Throws: where there is no answer; nothing of the request is in the error but its host.
    func send(_ request: Request) async throws(CredentialsError) -> HTTPResponse {
        let engine = try engine(isLocal: request.isLocal)
        var headers = request.headers
        headers.append(("user-agent", userAgent))
        guard headers.allSatisfy(S3Store.isSendable), request.url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CredentialsError("\(Self.host(of: request.url)): the request holds a line end or a NUL")
        }
        let wire = HTTPRequest(
            method: request.method, url: Array(request.url.utf8) + [0],
            headers: S3Store.headerBlock(headers, authorization: nil), body: request.body.map { ArrayBody($0) },
            collectLimit: 256 << 10, timeout: request.timeout)
        switch await engine.perform(wire).result {
        case .success(let response): return response
        case .failure(let problem):
            throw CredentialsError(
                "\(Self.host(of: request.url)): \(problem.message)", isTransient: problem.kind != .untrusted)
        }
    }

    private func engine(isLocal: Bool) throws(CredentialsError) -> HTTPEngine {
        if let engine = open[isLocal] { return engine }
        var options = HTTPEngine.Options()
        options.maxConnections = 1
        options.connectTimeoutMilliseconds = isLocal ? 1000 : 5000
        options.caFile = caFile
        options.userAgent = userAgent
        // Libcurl: an empty text is no proxy, whatever the environment says.
        if isLocal {
            options.transport.proxy = ""
        } else {
            options.transport.proxy = proxy.proxy
            options.transport.proxyCredentials = proxy.proxyCredentials
        }
        do throws(HTTPFailure) {
            let engine = try HTTPEngine(options: options)
            open[isLocal] = engine
            return engine
        } catch { throw CredentialsError(error.message, isTransient: true) }
    }

    /// `https://sts.eu-central-1.amazonaws.com`: what may be shown of a URL.
    static func host(of url: String) -> String {
        let scheme = url.utf8.starts(with: "https://".utf8) ? "https://" : "http://"
        return scheme + url.dropFirst(scheme.utf8.count).prefix { $0 != "/" && $0 != "?" }
    }
}
