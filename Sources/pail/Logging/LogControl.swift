import Glibc
import Logging
import Synchronization

/// What can be changed of a running mount's log: its level (SIGUSR2), and the file that it goes to (SIGHUP, after logrotate
/// has moved the old one away).
final class LogControl: Sendable {
    private let chosen: Mutex<Logger.Level>
    private let path: String?
    private let sink: LogSink

    /// - Parameters:
    ///   - path: the file that `sink` writes to; nil where it is none.
    init(sink: LogSink, path: String?, level: Logger.Level) {
        self.sink = sink
        self.path = path
        chosen = Mutex(level)
    }

    /// The level now.
    var level: Logger.Level { chosen.withLock { $0 } }

    /// Goes to the next level, and says so whatever the level is.
    func goToNextLevel() {
        let level = chosen.withLock { level in
            level = S3FSLogLevel.next(after: level)
            return level
        }
        sink.write("notice the log's level is now \(level.rawValue)", level: .notice)
    }

    /// Opens the file anew, in the place of the descriptor that is written to: no line is lost or cut in two. Where that fails
    /// the old one stays.
    func reopen() {
        guard let path, case .descriptor(let descriptor) = sink else { return }
        // In the background standard error is the same file, for a crash's last words.
        var old = stat()
        var standardError = stat()
        let isShared =
            fstat(descriptor, &old) == 0 && fstat(2, &standardError) == 0 && old.st_dev == standardError.st_dev
            && old.st_ino == standardError.st_ino
        if let problem = sink.reopen(path) {
            return sink.write(
                "error the log file \(Printable.line(path)) cannot be opened anew: \(problem)", level: .error)
        }
        if isShared { dup2(descriptor, 2) }
    }
}
