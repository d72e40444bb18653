import Mount

/// The mounts of Pail on this machine, for `pail mounts`.
///
/// The kernel's table tells of all that this process sees; each mount's process is asked for its state by its socket, in a thread of its own, so that those that do
/// not answer cost ``patience`` once, not each.
enum MountList {
    /// Seconds to wait for a process.
    private static let patience = 2

    /// A mount; its documented form in JSON.
    struct Row: Codable, Sendable, Equatable {
        /// What its process says.
        enum State: String, Codable, Sendable {
            /// It answers.
            case answering
            /// It does not: it has ended, or it hangs, or it belongs to somebody else.
            case silent
        }

        var source: String
        var mountPoint: String
        /// `fuse.pail`, or `fuse.s3fs` where it was mounted under that name.
        var type: String
        var state: State
        /// The rest is known of those that answer.
        var pid: Int32?
        var mode: String?
        var isReadOnly: Bool?
        /// Seconds since it answered first.
        var uptime: Double?
        /// Changes and bytes that are not in the bucket yet.
        var pendingChanges: Int?
        var pendingBytes: Int64?
    }

    /// The mounts now, in the order of the mount table. One of type `fuse.s3fs` may be s3fs's own: it is shown if Pail answers for it.
    static func current() -> [Row] {
        let mounted = MountedFileSystem.all().filter { $0.type == "fuse.pail" || $0.type == "fuse.s3fs" }
        let statuses = ParallelCalls.map(mounted) { mount -> MountStatus? in
            guard let client = try? ControlClient(to: mount, patience: patience) else { return nil }
            return try? client.ask(ControlRequest(command: .status)).status
        }
        return zip(mounted, statuses).compactMap { mount, status in
            status == nil && mount.type != "fuse.pail" ? nil : row(mount, status)
        }
    }

    private static func row(_ mount: MountedFileSystem, _ status: MountStatus?) -> Row {
        var row = Row(source: mount.source, mountPoint: mount.mountPoint, type: mount.type, state: .silent)
        guard let status else { return row }
        row.state = .answering
        row.pid = status.pid
        row.mode = status.mode
        row.isReadOnly = status.isReadOnly
        row.uptime = status.uptime
        row.pendingChanges = status.pending.changes
        row.pendingBytes = status.pending.bytes
        return row
    }

    /// For people: a line of titles and one for each mount; a sentence where there is none.
    static func table(_ rows: [Row]) -> [String] {
        guard !rows.isEmpty else { return ["no mount of Pail is visible here"] }
        var cells = [["SOURCE", "MOUNTED ON", "STATE", "PID", "UP", "TO BE STORED"]]
        for row in rows {
            var state = row.mode ?? "does not answer"
            if row.isReadOnly == true { state += ", read-only" }
            let pending = row.pendingChanges.map { count in
                count == 0 ? "nothing" : "\(count) changes, \(ByteText.short(row.pendingBytes ?? 0))"
            }
            cells.append([
                Printable.line(row.source), Printable.line(row.mountPoint), state, row.pid.map { "\($0)" } ?? "-",
                row.uptime.map(StatusTable.time) ?? "-", pending ?? "-",
            ])
        }
        let widths = (0..<cells[0].count).map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { line in
            zip(line, widths).dropLast().map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }.joined()
                + (line.last ?? "")
        }
    }
}
