internal import CCurl
internal import ObjectStore
import Synchronization

/// One attempt of a request while the engine has it.
///
/// Made by the task that asks; from the moment it is handed over, only the engine's thread touches anything but
/// `isCancelled`, which is why it may be shared. libcurl's callbacks get it by its address: the engine keeps it alive
/// until the transfer is off the multi handle.
final class Transfer: @unchecked Sendable {
    /// How a body is dealt with.
    private enum Disposition { case undecided, stream, collect, collectError }

    /// The most bytes of an error answer that are kept: what S3 says in one is under 1 KiB.
    private static let errorLimit = 64 << 10

    let request: HTTPRequest
    let expires: ContinuousClock.Instant
    let isCancelled = Atomic<Bool>(false)
    /// Resumed once, with the outcome.
    var continuation: CheckedContinuation<HTTPOutcome, Never>?
    var handle: EasyHandle?

    private(set) var status = 0
    private(set) var timesSent = 0
    private(set) var bytesSent: Int64 = 0
    private(set) var bytesReceived: Int64 = 0
    /// The receiver has all it wanted and ended the transfer by itself.
    private(set) var hasEnough = false
    /// Why a callback ended the transfer.
    private(set) var problem: HTTPFailure?
    private var headerLines: [UInt8] = []
    private var headers: HTTPHeaders?
    private var collected: [UInt8] = []
    private var disposition = Disposition.undecided
    private var bodyOffset: Int64 = 0

    init(_ request: HTTPRequest) {
        self.request = request
        expires = .now + request.timeout
    }

    /// The answer, once the transfer has ended well.
    func response() -> HTTPResponse {
        HTTPResponse(status: status, headers: headers ?? HTTPHeaders(lines: headerLines), body: collected)
    }

    /// Ends the transfer's life with the caller: the engine will not touch the request's body or receiver after this.
    func finish(_ result: Result<HTTPResponse, HTTPFailure>) {
        let outcome = HTTPOutcome(
            result: result, status: status >= 200 ? status : 0, timesSent: timesSent, bytesSent: bytesSent,
            bytesReceived: bytesReceived)
        continuation?.resume(returning: outcome)
        continuation = nil
    }

    // MARK: What libcurl tells

    /// The request is about to go out on a connection.
    private func willSend() {
        timesSent += 1
        status = 0
        headerLines.removeAll(keepingCapacity: true)
    }

    private func header(_ line: UnsafeRawBufferPointer) {
        // Past the blank line only trailers come, which S3 does not use.
        guard disposition == .undecided else { return }
        if line.count > 5, line[0] == UInt8(ascii: "H"), line[1] == UInt8(ascii: "T"), line[4] == UInt8(ascii: "/") {
            // HTTP/1.1 200 OK. A later one replaces an interim answer (100 Continue).
            headerLines.removeAll(keepingCapacity: true)
            headerLines.reserveCapacity(1024)
            status = 0
            guard let space = line.firstIndex(of: 32) else { return }
            for digit in line[(space + 1)...].prefix(3) {
                guard digit >= 48, digit <= 57 else { return status = 0 }
                status = status * 10 + Int(digit - 48)
            }
        } else if line.count <= 2, line.allSatisfy({ $0 == 13 || $0 == 10 }) {
            if status >= 200 { decide() }
        } else {
            headerLines.append(contentsOf: line)
        }
    }

    /// The final headers are whole: settles what becomes of the body.
    private func decide() {
        let headers = HTTPHeaders(lines: headerLines)
        self.headers = headers
        headerLines = []
        guard let receiver = request.receiver else {
            disposition = status < 300 ? .collect : .collectError
            return
        }
        switch receiver.begin(status: status, headers: headers) {
        case .stream: disposition = .stream
        case .collect: disposition = .collectError
        case .refuse(let reason):
            disposition = .collectError
            problem = HTTPFailure(kind: .refused, message: reason)
        }
    }

    /// Takes bytes of the body; false ends the transfer.
    private func body(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytesReceived += Int64(bytes.count)
        guard problem == nil else { return false }
        switch disposition {
        case .stream:
            if request.receiver?.receive(bytes) ?? false { return true }
            hasEnough = true
            return false
        case .collect:
            if collected.count + bytes.count > request.collectLimit {
                problem = HTTPFailure(
                    kind: .malformed, message: "the answer is longer than \(request.collectLimit) bytes")
                return false
            }
            collected.append(contentsOf: bytes)
            return true
        case .collectError:
            let room = Self.errorLimit - collected.count
            if room > 0 { collected.append(contentsOf: bytes.prefix(room)) }
            return true
        case .undecided:
            problem = HTTPFailure(kind: .malformed, message: "a body without a header")
            return false
        }
    }

    /// Gives the next bytes to send; nil when they cannot be read.
    private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        guard let body = request.body else { return 0 }
        let left = body.length - bodyOffset
        guard left > 0 else { return 0 }
        let wanted = Int(min(Int64(buffer.count), left))
        do {
            let count = try body.read(at: bodyOffset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard count > 0, count <= wanted else {
                problem = HTTPFailure(kind: .bodyUnreadable, message: "the content to send ended early")
                return nil
            }
            bodyOffset += Int64(count)
            bytesSent += Int64(count)
            return count
        } catch {
            problem = HTTPFailure(kind: .bodyUnreadable, message: "\(error)")
            return nil
        }
    }

    // MARK: The callbacks, in C's terms

    private static func of(_ context: UnsafeMutableRawPointer) -> Transfer {
        Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    static let headerCallback: pail_curl_data_function = { data, size, count, context in
        guard let data, let context else { return 0 }
        Transfer.of(context).header(UnsafeRawBufferPointer(start: data, count: size * count))
        return size * count
    }

    static let bodyCallback: pail_curl_data_function = { data, size, count, context in
        guard let data, let context else { return 0 }
        let bytes = size * count
        // Any other number than that given ends the transfer.
        return Transfer.of(context).body(UnsafeRawBufferPointer(start: data, count: bytes)) ? bytes : bytes &+ 1
    }

    static let readCallback: pail_curl_data_function = { data, size, count, context in
        guard let data, let context else { return PAIL_CURL_READ_ABORT }
        let buffer = UnsafeMutableRawBufferPointer(start: data, count: size * count)
        return Transfer.of(context).read(into: buffer) ?? PAIL_CURL_READ_ABORT
    }

    static let seekCallback: pail_curl_seek_function = { context, offset, origin in
        // libcurl only ever seeks from the start.
        guard let context, origin == 0, offset >= 0 else { return 1 }
        Transfer.of(context).bodyOffset = Int64(offset)
        return 0
    }

    static let prereqCallback: pail_curl_prereq_function = { context, _, _, _, _ in
        if let context { Transfer.of(context).willSend() }
        return 0
    }
}
