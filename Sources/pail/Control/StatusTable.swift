/// `pail status` for people: two columns, then what waits.
struct StatusTable {
    let status: MountStatus

    /// The lines, at most 80 columns wide as far as names allow.
    var lines: [String] {
        var rows: [(String, String)] = [
            ("source", "\(status.source) at \(status.endpoint)"),
            ("mounted on", status.mountPoint + (status.isReadOnly ? ", read-only" : "")),
            ("mode", status.mode), ("process", "\(status.pid), pail \(status.version), up \(Self.time(status.uptime))"),
            (
                "memory",
                "\(ByteText.short(Int64(status.memoryUsed))) of \(ByteText.short(Int64(status.memoryLimit))) in use; "
                    + "\(ByteText.short(Int64(status.residentMemory))) resident"
            ),
            ("known files", "\(status.inodes)"), ("waiting calls", "\(status.waitingRequests)"),
            (
                "requests",
                "\(status.requests.total), \(status.requests.retries) retries, \(status.requests.failures) failed"
            ),
            (
                "traffic",
                "\(ByteText.short(status.requests.bytesReceived)) received, \(ByteText.short(status.requests.bytesSent)) sent"
            ),
        ]
        let pending = status.pending
        rows.append(
            (
                "to be stored",
                pending.changes == 0
                    ? "nothing"
                    : "\(pending.changes) changes, \(ByteText.short(pending.bytes)), the oldest for \(Self.time(pending.oldestAge))"
            ))
        let width = rows.map(\.0.utf8.count).max() ?? 0
        var lines = rows.map { $0 + String(repeating: " ", count: width - $0.utf8.count + 2) + $1 }
        for change in pending.first.prefix(20) {
            var line = "  \(change.kind)  \(Printable.line(change.key))  \(ByteText.short(change.bytes))"
            if let error = change.lastError { line += "  tried \(change.attempts) times: \(Printable.line(error))" }
            lines.append(line)
        }
        if pending.changes > 20 { lines.append("  … and \(pending.changes - 20) more") }
        if !pending.kept.isEmpty {
            lines.append("kept on this machine, not in the bucket (pail recover writes it to a file):")
            for kept in pending.kept {
                lines.append(
                    "  \(kept.id.map { "\($0)  " } ?? "")\(Printable.line(kept.key))  \(ByteText.short(kept.bytes))  \(Printable.line(kept.reason))"
                )
            }
        }
        return lines
    }

    /// `3 s`, `12 min`, `5.2 h`, `3.1 d`.
    static func time(_ seconds: Double) -> String {
        func tenths(_ value: Double) -> String {
            let rounded = Int((value * 10).rounded())
            return "\(rounded / 10).\(rounded % 10)"
        }
        return switch seconds {
        case ..<120: "\(Int(seconds.rounded())) s"
        case ..<7200: "\(Int((seconds / 60).rounded())) min"
        case ..<172_800: "\(tenths(seconds / 3600)) h"
        default: "\(tenths(seconds / 86400)) d"
        }
    }
}
