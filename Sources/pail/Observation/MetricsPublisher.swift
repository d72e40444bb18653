import Glibc
import HTTPServer
import Logging
import Metrics
import Synchronization

/// Gives a mount's metrics to Prometheus: over HTTP, and as a file for the node exporter's textfile collector.
///
/// The file is written beside its place and renamed, so that nobody reads half of it, every fifteen seconds; it goes with the
/// mount, because numbers that stand still look like a mount that does. A file that cannot be written is told once in the log.
///
/// <https://github.com/prometheus/node_exporter#textfile-collector>
final class MetricsPublisher: Sendable {
    /// Between two writings of the file.
    static let interval: Duration = .seconds(15)

    private struct State {
        var server: HTTPServer?
        var writer: Task<Void, Never>?
        var isTold = false
    }

    private let address: MetricsAddress?
    private let file: String?
    private let logger: Logger
    private let listener: Mutex<Int32?>
    private let state = Mutex(State())

    /// Takes the address, so that a mount can say at once that another process has it. Nobody is answered yet.
    init(address: MetricsAddress?, file: String?, logger: Logger) throws(CommandError) {
        self.address = address
        self.file = file
        self.logger = logger
        listener = Mutex(try address.map { address throws(CommandError) in try address.listen() })
    }

    deinit { if let descriptor = listener.withLock({ $0 }) { close(descriptor) } }

    /// Answers from now on, with what `report` says.
    func start(_ report: @escaping @Sendable () async -> MetricsReport) {
        let descriptor = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        if let descriptor, let address {
            let place = address.text(of: descriptor)
            do {
                let server = try HTTPServer(listener: descriptor, logger: logger) { request in
                    await Self.answer(request, report)
                }
                state.withLock { $0.server = server }
                logger.notice("metrics are served", metadata: ["address": "\(place)"])
            } catch { logger.error("metrics cannot be served at \(place): \(error)") }
        }
        guard let file else { return }
        let task = Task.detached { [self] in
            while !Task.isCancelled {
                write(await report().text, to: file)
                do { try await Task.sleep(for: Self.interval) } catch { return }
            }
        }
        state.withLock { $0.writer = task }
    }

    /// Ends both, and takes the file and the socket away.
    func stop() async {
        let (server, writer) = state.withLock { state in (state.server, state.writer) }
        if let writer {
            writer.cancel()
            await writer.value
        }
        if let file { unlink(file) }
        await server?.stop()
        if server != nil, case .unix(let path) = address { unlink(path) }
    }

    private static func answer(
        _ request: HTTPRequest, _ report: @Sendable () async -> MetricsReport
    ) async -> HTTPResponse {
        guard request.path == "/metrics" else {
            return HTTPResponse(status: request.path == "/" ? 200 : 404, text: "pail: the metrics are at /metrics")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return HTTPResponse(status: 405, text: "GET expected", headers: ["Allow": "GET, HEAD"])
        }
        return HTTPResponse(
            status: 200, contentType: MetricsText.contentType, body: Array(await report().text.utf8))
    }

    private func write(_ text: String, to path: String) {
        let beside = "\(path).\(getpid()).new"
        let problem = Self.write(text, beside: beside, path)
        let isNew = state.withLock { state in
            defer { state.isTold = problem != nil }
            return problem != nil && !state.isTold
        }
        if isNew, let problem { logger.error("the metrics' file \(path) cannot be written: \(problem)") }
    }

    private static func write(_ text: String, beside: String, _ path: String) -> String? {
        let descriptor = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = String(cString: strerror(errno))
                close(descriptor)
                unlink(beside)
                return reason
            }
            bytes = bytes.dropFirst(count)
        }
        close(descriptor)
        guard rename(beside, path) == 0 else {
            let reason = String(cString: strerror(errno))
            unlink(beside)
            return reason
        }
        return nil
    }
}
