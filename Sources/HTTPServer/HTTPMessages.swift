/// A request as a handler sees it.
public struct HTTPRequest: Sendable {
    /// `GET`, `POST`, … as the client wrote it.
    public var method: String
    /// The path of the request's target with its escapes decoded, without the query. Bytes that are no UTF-8 are replaced.
    public var path: String
    /// The header fields, by names in lower case; the last one counts where a name comes twice.
    public var headers: [String: String]
    /// The whole body; at most ``HTTPServerLimits/bodyBytes``.
    public var body: [UInt8]

    /// A request of its parts, as a test makes one.
    public init(method: String, path: String, headers: [String: String] = [:], body: [UInt8] = []) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
    }
}

/// The answer to a request.
public struct HTTPResponse: Sendable {
    /// 200 to 599.
    public var status: Int
    /// The `Content-Type`, with its parameters.
    public var contentType: String
    /// The body; not sent in answer to HEAD, where its length is told only.
    public var body: [UInt8]
    /// Further header fields, `Allow` for example.
    public var headers: [String: String]

    /// An answer of any type.
    public init(status: Int, contentType: String, body: [UInt8], headers: [String: String] = [:]) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.headers = headers
    }

    /// A line of text.
    public init(status: Int, text: String, headers: [String: String] = [:]) {
        self.init(
            status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8) + [UInt8(ascii: "\n")],
            headers: headers)
    }
}

/// What a client may use up.
public struct HTTPServerLimits: Sendable {
    /// The largest body that a handler is given, in bytes. A request with more is answered by ``HTTPServer``'s `tooLarge`.
    public var bodyBytes: Int
    /// The most connections at once; the next ones wait in the kernel's queue.
    public var connections: Int
    /// A connection on which nothing moves for so many seconds is closed. A handler's own time does not count.
    public var timeoutSeconds: Int

    /// For a few clients on this machine.
    public init(bodyBytes: Int = 64 << 10, connections: Int = 64, timeoutSeconds: Int = 30) {
        self.bodyBytes = bodyBytes
        self.connections = connections
        self.timeoutSeconds = timeoutSeconds
    }
}
