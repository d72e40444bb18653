/// `pail status` for people: two columns, then what waits.
struct StatusTable {
    let status: MountStatus
    var prices = RequestPrices()

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
        rows.append(("cost", "about US$ \(Self.money(prices.cost(of: status.requests))) for requests"))
        if let activity = status.activity {
            rows.append(
                (
                    "programs",
                    "\(activity.operations) calls, \(activity.errors) errors; \(ByteText.short(activity.bytesRead)) read, "
                        + "\(ByteText.short(activity.bytesWritten)) written"
                ))
            rows.append(("from memory", Self.hits(activity)))
        }
        if status.isStoreLost ?? false { rows.append(("store", "out of reach")) }
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

    /// What programs got without a wait.
    private static func hits(_ activity: MountStatus.Activity) -> String {
        func part(_ some: Int64, of all: Int64) -> String {
            all > 0 ? "\(tenths(100 * Double(some) / Double(all))) %" : "–"
        }
        var text = "\(part(activity.bytesFromMemory, of: activity.bytesRead)) of the bytes read"
        let names = ["lookup", "getattr"].compactMap { activity.byOperation[$0] }
        let (count, waited) = names.reduce((0, 0)) { ($0.0 + $1.count, $0.1 + $1.waited) }
        text += ", \(part(Int64(count - waited), of: Int64(count))) of the looks at names"
        if let hits = activity.diskCacheHits, let misses = activity.diskCacheMisses {
            text += "; disk cache: \(part(Int64(hits), of: Int64(hits + misses))) of the blocks"
        }
        return text
    }

    /// To the cent; less than that with two digits.
    static func money(_ dollars: Double) -> String {
        var digits = 2
        var least = 0.095
        while dollars > 0, dollars < least, digits < 6 {
            digits += 1
            least /= 10
        }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let units = String(Int64((dollars * scale).rounded()))
        let padded = String(repeating: "0", count: max(0, digits + 1 - units.utf8.count)) + units
        return padded.dropLast(digits) + "." + padded.suffix(digits)
    }

    /// With one digit behind the point.
    static func tenths(_ value: Double) -> String {
        let rounded = Int64((value * 10).rounded())
        return "\(rounded / 10).\(abs(rounded % 10))"
    }

    /// `3 s`, `12 min`, `5.2 h`, `3.1 d`.
    static func time(_ seconds: Double) -> String {
        switch seconds {
        case ..<120: "\(Int(seconds.rounded())) s"
        case ..<7200: "\(Int((seconds / 60).rounded())) min"
        case ..<172_800: "\(tenths(seconds / 3600)) h"
        default: "\(tenths(seconds / 86400)) d"
        }
    }
}
