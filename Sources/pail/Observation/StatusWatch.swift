import Glibc

/// `pail status --watch`: the state again and again, with what happened in between.
///
/// On a terminal the page is written over and over; elsewhere each one follows the last, with `--json` as a line. It ends with the
/// mount, or by ctrl-C.
struct StatusWatch {
    /// Between two looks, in seconds: 1 to 3600.
    var interval: Int
    var prices: RequestPrices
    /// The most that has been pending since the watch began, for the bar.
    private var mostPending = 0

    init(interval: Int, prices: RequestPrices) {
        self.interval = interval
        self.prices = prices
    }

    /// Looks until the mount is gone.
    mutating func run(_ look: () throws(CommandError) -> MountStatus, json: Bool) throws(CommandError) {
        let isTerminal = isatty(1) == 1 && !json
        var before: MountStatus?
        while true {
            let status: MountStatus
            do throws(CommandError) { status = try look() } catch {
                if before == nil { throw error }
                print("the mount has ended")
                return
            }
            if json {
                print(String(decoding: ControlLine.encode(status).dropLast(), as: UTF8.self))
            } else {
                var lines = lines(status, since: before)
                if isTerminal { lines = Self.cut(lines, to: Self.terminalSize()) }
                let page = lines.joined(separator: isTerminal ? "\u{1B}[K\n" : "\n")
                // From the top, and what is below taken away: no flicker.
                print(isTerminal ? "\u{1B}[H" + page + "\u{1B}[K\u{1B}[J" : page + "\n")
            }
            fflush(nil)
            before = status
            sleep(UInt32(interval))
        }
    }

    /// The terminal's lines and columns, see ioctl_tty(2); 24 and 80 where it does not tell.
    private static func terminalSize() -> (rows: Int, columns: Int) {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 1, size.ws_col > 1 else { return (24, 80) }
        return (Int(size.ws_row), Int(size.ws_col))
    }

    /// As much as fits, so that nothing scrolls: the first lines, and the last two, which tell what goes on.
    static func cut(_ lines: [String], to size: (rows: Int, columns: Int)) -> [String] {
        var lines = lines
        if lines.count >= size.rows {
            let last = lines.suffix(2)
            lines = Array(lines.prefix(max(0, size.rows - 1 - last.count)) + last)
        }
        return lines.map { String($0.prefix(size.columns - 1)) }
    }

    /// The page: the table, then what went on since the last one.
    mutating func lines(_ status: MountStatus, since before: MountStatus?) -> [String] {
        var lines = StatusTable(status: status, prices: prices).lines
        mostPending = max(mostPending, status.pending.changes)
        if status.pending.changes > 0 {
            lines.append(
                ProgressLine.bar(
                    done: mostPending - status.pending.changes, of: mostPending, bytes: status.pending.bytes))
        } else {
            mostPending = 0
        }
        guard let before else { return lines }
        let seconds = max(0.001, status.uptime - before.uptime)
        func rate(_ now: Int64, _ then: Int64) -> String {
            ByteText.short(Int64(Double(max(0, now - then)) / seconds)) + "/s"
        }
        lines.append("")
        lines.append(
            "store     \(rate(status.requests.bytesReceived, before.requests.bytesReceived)) received, "
                + "\(rate(status.requests.bytesSent, before.requests.bytesSent)) sent, "
                + "\(StatusTable.tenths(Double(status.requests.total - before.requests.total) / seconds)) requests/s")
        if let now = status.activity, let then = before.activity {
            lines.append(
                "programs  \(rate(now.bytesRead, then.bytesRead)) read, \(rate(now.bytesWritten, then.bytesWritten)) written, "
                    + "\(StatusTable.tenths(Double(now.operations - then.operations) / seconds)) calls/s, "
                    + "\(now.errors - then.errors) errors")
        }
        return lines
    }
}
