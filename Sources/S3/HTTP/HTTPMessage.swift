internal import ObjectStore

/// The methods that S3 uses.
enum HTTPMethod: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"
}

/// One attempt of one request, ready for the wire: signed, encoded, all of its bytes but the body's in place.
struct HTTPRequest: Sendable {
    var method: HTTPMethod
    /// The absolute URL, NUL-terminated. It is sent as it stands.
    var url: [UInt8]
    /// The header lines `name: value`, each NUL-terminated.
    var headers: [UInt8]
    /// What PUT and POST send; nil sends `Content-Length: 0`.
    var body: (any RequestBody)?
    /// Takes the body of a good answer; nil collects it.
    var receiver: (any HTTPBodyReceiver)?
    /// The most bytes of a good answer to collect; more of them fail the request.
    var collectLimit = 64 << 10
    /// The longest that the attempt may take, the wait in line included.
    var timeout: Duration
    /// The longest that making a connection may take, where that is less than the engine's own limit.
    var connectTimeout: Duration?
    /// Seconds without a byte after which the attempt is ended; 0 for no such limit.
    var stallSeconds = 30
    /// How many bytes of body are to come, about: sizes the receive buffer.
    var expectedLength: Int64 = 0
}

/// An answer, of any status.
struct HTTPResponse: Sendable {
    var status: Int
    var headers: HTTPHeaders
    /// The body, where no receiver took it; of an error answer at most 64 KiB.
    var body: [UInt8]
}

/// Why there is no answer.
struct HTTPFailure: Error, Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// The caller's task was cancelled, or the engine shut down.
        case cancelled
        /// No connection could be made.
        case unreachable
        /// The certificate does not verify, or a file of certificates cannot be read: trying again does not help.
        case untrusted
        /// The TLS handshake failed otherwise.
        case handshake
        /// The time is up.
        case timedOut
        /// The connection broke, before or amid the answer.
        case broken
        /// The answer is no HTTP, or more than may be collected.
        case malformed
        /// The receiver did not want the answer.
        case refused
        /// The body could not be read.
        case bodyUnreadable
        /// The URL or a header cannot be sent, or memory is short.
        case unsendable
    }

    var kind: Kind
    var message: String
    /// Whether the connection had served a request before, so that it may have been closed while it was idle.
    var wasReused = false
}

/// What became of one attempt.
struct HTTPOutcome: Sendable {
    var result: Result<HTTPResponse, HTTPFailure>
    /// The status of the last answer that began to come, also where it broke off; 0 where there was none.
    var status = 0
    /// How often the request went out: libcurl sends it again by itself when a kept connection turns out to be closed.
    var timesSent = 0
    /// Bytes of body that were read for sending.
    var bytesSent: Int64 = 0
    /// Bytes of body that came.
    var bytesReceived: Int64 = 0
}

/// Takes a body as it lands. All calls come from the engine's thread and end before the request's outcome is known.
protocol HTTPBodyReceiver: AnyObject, Sendable {
    /// The final status and the headers are there.
    func begin(status: Int, headers: HTTPHeaders) -> HTTPBodyVerdict

    /// The next bytes of the body, after `stream`. False when no more are wanted: the attempt ends well.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool
}

/// What is to be done with a body.
enum HTTPBodyVerdict: Sendable, Equatable {
    /// Hand it to the receiver.
    case stream
    /// Collect it: it tells of an error.
    case collect
    /// End the request: this answer is of no use.
    case refuse(String)
}
