import Glibc
import Logging
import Synchronization

/// Where finished lines of the log go.
enum LogSink: Sendable {
    /// A descriptor opened for appending, or standard error. A line is one write(2), so lines of several threads do not mix.
    case descriptor(Int32)
    /// syslog(3), as `pail[PID]` with the facility `daemon`.
    case syslog

    /// Opens a log file for appending, made with mode 0640.
    static func file(_ path: String) throws(CommandError) -> LogSink {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw CommandError(
                .localState, "the log file \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        return .descriptor(descriptor)
    }

    /// The system's log, under a name. Once a process.
    static func system(as name: String) -> LogSink {
        // syslog(3) keeps the pointer: the text must live as long as the process.
        openlog(strdup(name), LOG_PID | LOG_NDELAY, LOG_DAEMON)
        return .syslog
    }

    /// Opens a log file anew, in the place of the descriptor that is written to: no line is lost or cut in two. Where that
    /// fails the old one stays. Returns why, or nil.
    func reopen(_ path: String) -> String? {
        guard case .descriptor(let descriptor) = self else { return nil }
        let new = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard new >= 0 else { return String(cString: strerror(errno)) }
        // dup3 with O_CLOEXEC is not in Glibc's module: the flag is set after.
        dup2(new, descriptor)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        close(new)
        return nil
    }

    /// Whether the receiver adds the time itself.
    var addsTime: Bool {
        switch self {
        case .descriptor: false
        case .syslog: true
        }
    }

    /// Writes a line. A log that cannot be written (a full disk) loses the line: there is nobody to tell.
    func write(_ line: String, level: Logger.Level) {
        switch self {
        case .descriptor(let descriptor):
            var text = line + "\n"
            text.withUTF8 { bytes in
                var rest = UnsafeRawBufferPointer(bytes)
                while !rest.isEmpty {
                    let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { return }
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                }
            }
        case .syslog:
            line.withCString { text in
                withVaList([text]) { vsyslog(level.syslogPriority, "%s", $0) }
            }
        }
    }
}

extension Logger.Level {
    /// syslog(3)'s priority.
    fileprivate var syslogPriority: Int32 {
        switch self {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }
}
