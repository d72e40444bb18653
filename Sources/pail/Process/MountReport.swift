import Glibc
import Logging
import Mount
import S3

/// What a mount is busy with, for SIGUSR1: requests of programs that wait, and what was asked of the store so far.
struct MountReport: Sendable {
    /// Programs' requests that wait for the store.
    var pendingRequests: Int
    /// What the store was asked and what was moved.
    var statistics: RequestStatistics

    init(store: S3Store, mount: FuseMount) {
        pendingRequests = mount.pendingRequests
        statistics = store.statistics
    }

    init(pendingRequests: Int, statistics: RequestStatistics) {
        self.pendingRequests = pendingRequests
        self.statistics = statistics
    }

    /// A line for each number.
    var lines: [String] {
        [
            "waiting requests: \(pendingRequests)", "requests to the store: \(statistics.totalRequests)",
            "retries: \(statistics.retries)", "failures: \(statistics.failures)",
            "bytes received: \(statistics.bytesReceived)", "bytes sent: \(statistics.bytesSent)",
        ] + statistics.requests.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)" }
    }

    /// Appends the lines to a file, made with mode 0640; logs them where there is none or it cannot be opened.
    func write(to path: String?, _ logger: Logger) {
        if let path {
            let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o640)
            if descriptor >= 0 {
                for line in lines { LogSink.descriptor(descriptor).write(line, level: .notice) }
                close(descriptor)
                return
            }
            logger.error("the report's file \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        for line in lines { logger.critical("\(line)") }
    }
}
