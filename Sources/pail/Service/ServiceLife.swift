/// What a service manager is to be told of a mount's process, and when: the messages of sd_notify(3).
///
/// A pure value: it sends nothing, takes times as numbers, and is asked by ``ServiceNotifier`` alone.
///
/// ```
/// starting ── ready ──▶ serving ── stop ──▶ stopping
/// ```
/// While it starts (what an earlier mount has left is uploaded then) and while it stops (what is not stored yet is), the process asks
/// for more time again and again, each time a little. A process that hangs asks no more, and the manager ends it after that little
/// while. All of it is bounded by the drain's timeout, so that a process which only seems to work is ended too.
struct ServiceLife: Sendable, Equatable {
    /// Where the process is in its life.
    enum Phase: Sendable, Equatable {
        case starting, serving, stopping
    }

    /// Where it is.
    private(set) var phase = Phase.starting
    /// When it came there, in nanoseconds.
    private var since: Int64
    /// How long it may take to start, and to stop, in nanoseconds; nil without limit.
    private let patience: Int64?
    /// How often the manager wants to hear that the process lives, in nanoseconds; nil where it does not care.
    private let watchdog: Int64?

    /// What is asked for at a time, in nanoseconds: three times ``beat``, so that two messages may be late.
    static let step: Int64 = 15_000_000_000
    /// The longest time between two looks at the process, in nanoseconds.
    static let beat: Int64 = 5_000_000_000
    /// What the steps after the drain may take, in nanoseconds: see `FuseMount`.
    static let grace: Int64 = 30_000_000_000

    /// A process that starts at `now`.
    /// - Parameters:
    ///   - drainTimeout: how long the drain may take, in nanoseconds; 0 or less without limit.
    ///   - watchdog: see above; values of 0 and less are none.
    init(now: Int64, drainTimeout: Int64, watchdog: Int64?) {
        since = now
        patience = drainTimeout > 0 ? drainTimeout.addingReportingOverflow(Self.grace).partialValue : nil
        self.watchdog = watchdog.flatMap { $0 > 0 ? $0 : nil }
    }

    /// How long to wait before the next ``heartbeat(now:isAlive:)``: half of what the watchdog asks for, as sd_watchdog_enabled(3) recommends.
    var interval: Int64 { min(Self.beat, max((watchdog ?? Self.beat * 2) / 2, 1_000_000)) }

    /// The mount answers. The lines to send; none where it came too late or twice.
    mutating func ready(now: Int64, source: String, mountPoint: String) -> [String] {
        guard phase == .starting else { return [] }
        (phase, since) = (.serving, now)
        return ["READY=1", "STATUS=\(Self.line(source)) is mounted on \(Self.line(mountPoint))"]
    }

    /// The mount ends. The lines to send; none the second time.
    mutating func stop(now: Int64) -> [String] {
        guard phase != .stopping else { return [] }
        (phase, since) = (.stopping, now)
        return ["STOPPING=1", "STATUS=storing what is not stored yet"] + extensions(now: now)
    }

    /// Time has passed. The lines to send.
    /// - Parameter isAlive: whether the kernel's requests are answered: a mount that hangs is not to be kept.
    func heartbeat(now: Int64, isAlive: Bool) -> [String] {
        let watchdogLines = watchdog != nil && isAlive ? ["WATCHDOG=1"] : []
        return watchdogLines + (phase == .serving || !isAlive ? [] : extensions(now: now))
    }

    private func extensions(now: Int64) -> [String] {
        if let patience, now - since > patience { return [] }
        return ["EXTEND_TIMEOUT_USEC=\(Self.step / 1000)"]
    }

    /// Whether a line must reach the manager, however late. The others are soon said again.
    static func isLasting(_ line: String) -> Bool { line == "READY=1" || line == "STOPPING=1" }

    /// A line's end in a name would begin a message of its own.
    private static func line(_ text: String) -> String { Printable.line(text) }
}
