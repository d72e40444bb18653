import CMicroHTTPD
import Synchronization

/// One request and its answer. All but the answer is touched by the server's own thread only.
final class Exchange: @unchecked Sendable {
    private(set) var request: HTTPRequest
    private var collector: BodyCollector
    /// Whether a handler was asked.
    var isStarted = false
    private let answer = Mutex<HTTPResponse?>(nil)

    /// - Parameter connection: libmicrohttpd's, with its header read.
    init(method: String, path: String, connection: OpaquePointer, bodyLimit: Int) {
        request = HTTPRequest(method: method, path: path)
        collector = BodyCollector(limit: bodyLimit)
        withUnsafeMutablePointer(to: &request.headers) { headers in
            _ = MHD_get_connection_values(
                connection, .HEADER_KIND,
                { closure, _, name, value in
                    let headers = closure!.assumingMemoryBound(to: [String: String].self)
                    if let name {
                        headers.pointee[String(cString: name).lowercased()] = value.map { String(cString: $0) } ?? ""
                    }
                    return .YES
                }, headers)
        }
    }

    /// Before the body.
    func begin() -> BodyCollector.Verdict {
        collector.begin(announced: request.headers["content-length"].flatMap { Int($0) })
    }

    /// The next piece of the body.
    func take(_ piece: UnsafeRawBufferPointer) -> BodyCollector.Verdict { collector.take(piece) }

    /// The request with its body; nil where the body was too large.
    func complete() -> HTTPRequest? {
        guard !collector.isTooLarge else { return nil }
        request.body = collector.bytes
        return request
    }

    /// What the handler answered; nil until it has.
    var response: HTTPResponse? {
        get { answer.withLock { $0 } }
        set { answer.withLock { $0 = newValue } }
    }
}
