import CFuse
import Glibc
import Logging
import Synchronization

/// libfuse's messages, which it would print on standard error: into our log, and the last one kept for the error that follows.
///
/// libfuse has one function for the whole process; messages carry no session.
enum FuseLog {
    private struct State {
        var logger: Logger?
        var last: String?
    }

    private static let state = Mutex(State())

    /// From here on, messages go to `logger`.
    static func redirect(to logger: Logger) {
        state.withLock { $0.logger = logger }
        fuse_set_log_func { level, format, arguments in
            guard let format, let arguments else { return }
            var buffer = [CChar](repeating: 0, count: 512)
            vsnprintf(&buffer, buffer.count, format, arguments)
            let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            var text = String(decoding: bytes, as: UTF8.self)
            while text.last?.isWhitespace == true { text.removeLast() }
            guard !text.isEmpty else { return }
            let logger = FuseLog.state.withLock { state in
                if level.rawValue <= FUSE_LOG_WARNING.rawValue { state.last = text }
                return state.logger
            }
            // Levels are syslog's. What libfuse calls an error is one for the caller of a function, who reports it.
            logger?.log(level: level.rawValue <= FUSE_LOG_WARNING.rawValue ? .notice : .debug, "libfuse: \(text)")
        }
    }

    /// The last message of weight since the last call.
    static func takeLast() -> String? {
        state.withLock { state in
            defer { state.last = nil }
            return state.last
        }
    }
}
