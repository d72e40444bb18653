import Glibc
import Synchronization

/// An HTTP server that says exactly what a test wants said, and breaks off exactly where the test wants it.
///
/// One thread accepts; each connection has a thread of its own. The requests are numbered in order of arrival, and the
/// script is asked what to do with each.
final class ScriptedServer: Sendable {
    /// What is done for one request.
    enum Step: Sendable {
        /// These bytes, as they are.
        case send(String)
        /// These bytes, as they are.
        case bytes([UInt8])
        /// Wait.
        case pause(milliseconds: UInt32)
        /// Close the connection in good order.
        case close
        /// Close it by a reset.
        case reset
        /// Do not read the request's body.
        case keepBodyUnread
    }

    struct Request: Sendable {
        var line: String
        var headers: [String: String]
        var body: [UInt8]
        /// Counts the connections, from 0.
        var connection: Int
    }

    typealias Script = @Sendable (_ number: Int, _ request: Request) -> [Step]

    let port: Int
    private let listener: Int32
    private let script: Script
    private let seen = Mutex<[Request]>([])
    private let connections = Mutex<(count: Int, open: Set<Int32>)>((0, []))

    var requests: [Request] { seen.withLock { $0 } }
    var connectionCount: Int { connections.withLock { $0.count } }
    var openConnections: Int { connections.withLock { $0.open.count } }

    init(_ script: @escaping Script) {
        self.script = script
        signal(SIGPIPE, SIG_IGN)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(descriptor, $0, length) == 0)
                getsockname(descriptor, $0, &length)
            }
        }
        listen(listener, 256)
        port = Int(UInt16(bigEndian: address.sin_port))
        Self.thread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                if connection < 0 { return }
                let number = connections.withLock { state in
                    state.count += 1
                    state.open.insert(connection)
                    return state.count - 1
                }
                Self.thread { [self] in serve(connection, number) }
            }
        }
    }

    /// Ends the server and its connections.
    func stop() {
        Glibc.shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        connections.withLock { state in for descriptor in state.open { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Box {
            let body: @Sendable () -> Void; init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        pthread_detach(thread)
    }

    private func serve(_ connection: Int32, _ number: Int) {
        var isOpen = true
        func end() {
            guard isOpen else { return }
            isOpen = false
            connections.withLock { state in
                state.open.remove(connection)
                close(connection)
            }
        }
        defer { end() }
        var buffer: [UInt8] = []
        while true {
            let mark = Array("\r\n\r\n".utf8)
            var headEnd: Int?
            while headEnd == nil {
                headEnd = buffer.firstRange(of: mark)?.upperBound
                if headEnd == nil, !fill(&buffer, connection) { return }
            }
            let lines = String(decoding: buffer[..<headEnd!], as: UTF8.self).split(separator: "\r\n").map(String.init)
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
            }
            buffer.removeFirst(headEnd!)
            var request = Request(line: lines[0], headers: headers, body: [], connection: number)
            let index = seen.withLock { seen in
                seen.append(request)
                return seen.count - 1
            }
            let steps = script(index, request)
            var readsBody = true
            for case .keepBodyUnread in steps { readsBody = false }
            if readsBody {
                let length = Int(headers["content-length"] ?? "") ?? 0
                while buffer.count < length { if !fill(&buffer, connection) { return } }
                request.body = Array(buffer[..<length])
                buffer.removeFirst(length)
                seen.withLock { $0[index] = request }
            }
            for step in steps {
                switch step {
                case .send(let text): if !write(Array(text.utf8), connection) { return }
                case .bytes(let bytes): if !write(bytes, connection) { return }
                case .pause(let milliseconds): usleep(milliseconds * 1000)
                case .close: return end()
                case .reset:
                    var option = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(connection, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
                    return end()
                case .keepBodyUnread: break
                }
            }
        }
    }

    private func fill(_ buffer: inout [UInt8], _ connection: Int32) -> Bool {
        var piece = [UInt8](repeating: 0, count: 65_536)
        let count = recv(connection, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: piece[..<count])
        return true
    }

    private func write(_ bytes: [UInt8], _ connection: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }
}

/// An answer with a length.
func answer(_ status: String, _ headers: [String] = [], _ body: String = "") -> String {
    (["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + headers).joined(separator: "\r\n") + "\r\n\r\n"
        + body
}

/// The headers of an object.
let objectHeaders = ["ETag: \"v1\"", "Last-Modified: Wed, 12 Oct 2009 17:50:00 GMT"]
