import Logging

/// s3fs's five levels of the log, and the order in which SIGUSR2 goes through them.
enum S3FSLogLevel: Sendable, CaseIterable {
    case critical, error, warning, info, debug

    /// As `dbglevel=` takes them.
    init?(_ text: String) {
        switch text.lowercased() {
        case "crit", "critical", "silent": self = .critical
        case "err", "error": self = .error
        case "wan", "warn", "warning": self = .warning
        case "inf", "info", "information": self = .info
        case "dbg", "debug": self = .debug
        default: return nil
        }
    }

    /// The log's own.
    var level: Logger.Level {
        switch self {
        case .critical: .critical
        case .error: .error
        case .warning: .warning
        case .info: .info
        case .debug: .debug
        }
    }

    /// The level after `level`: one more talkative, and from the last to the first.
    static func next(after level: Logger.Level) -> Logger.Level {
        allCases.map(\.level).first { $0 < level && (level != .notice || $0 <= .info) } ?? Logger.Level.critical
    }
}
