/// How a mount ends: what happened so far, and what is to be done upon the next event.
///
/// A pure value: it does nothing itself, takes times as numbers, and is asked by the one thread that runs the mount.
///
/// ```
/// running ── stop, or unmounted from outside ──▶ draining ── drained ──▶ ended
///                                                  │ second stop, or the drain's deadline
///                                                  ▼
///                                               abandoning ── drained, or the grace's deadline ──▶ ended
/// ```
/// Requests go on being served in all states; unmounting comes after `ended`.
struct ShutdownMachine: Sendable {
    /// Why the mount ends.
    typealias Cause = MountEnd.Cause

    /// What happened.
    enum Event: Equatable {
        /// Somebody wants the mount to end.
        case stop(Cause)
        /// The kernel ended the connection: the file system was unmounted.
        case unmounted
        /// The file system's drain returned this number of files that are not stored.
        case drained(Int)
        /// Nothing, but time passed.
        case time
    }

    /// What is to be done.
    enum Action: Equatable {
        /// Go on waiting for events, until the moment `deadline` at the latest where there is one.
        case wait
        /// Start the drain.
        case startDrain
        /// Cancel the drain: it shall return soon.
        case cancelDrain
        /// All done: unmount and return.
        case finish(MountEnd)
    }

    private enum State: Equatable {
        case running
        case draining(Cause, deadline: Int64)
        case abandoning(Cause, deadline: Int64)
        case ended
    }

    private var state = State.running
    private let drainTimeout: Int64
    /// How long a cancelled drain may take to return the number of files, in nanoseconds.
    private let grace: Int64

    /// Times in nanoseconds.
    init(drainTimeout: Int64, grace: Int64 = 2_000_000_000) {
        self.drainTimeout = max(drainTimeout, 0)
        self.grace = grace
    }

    /// When `time` must be told at the latest; nil for never.
    var deadline: Int64? {
        switch state {
        case .running, .ended: nil
        case .draining(_, let deadline), .abandoning(_, let deadline): deadline
        }
    }

    /// Takes an event that happened at `now`.
    mutating func handle(_ event: Event, now: Int64) -> Action {
        switch (state, event) {
        case (.running, .stop(let cause)): return drain(cause, now: now)
        case (.running, .unmounted): return drain(.unmounted, now: now)
        case (.running, .drained), (.running, .time): return .wait

        case (.draining(let cause, _), .stop): return abandon(cause, now: now)
        case (.draining(let cause, let deadline), .time):
            return now >= deadline ? abandon(cause, now: now) : .wait
        case (.draining(let cause, _), .drained(let files)), (.abandoning(let cause, _), .drained(let files)):
            return finish(cause, undrained: files)

        case (.abandoning(let cause, let deadline), .time) where now >= deadline:
            return finish(cause, undrained: nil)

        // Unmounted while draining: nothing more can come, and what came is still to be stored.
        case (.draining, .unmounted), (.abandoning, .unmounted), (.abandoning, .stop), (.abandoning, .time),
            (.ended, _):
            return .wait
        }
    }

    private mutating func drain(_ cause: Cause, now: Int64) -> Action {
        let (deadline, overflow) = now.addingReportingOverflow(drainTimeout)
        state = .draining(cause, deadline: overflow ? .max : deadline)
        return .startDrain
    }

    private mutating func abandon(_ cause: Cause, now: Int64) -> Action {
        state = .abandoning(cause, deadline: now + grace)
        return .cancelDrain
    }

    private mutating func finish(_ cause: Cause, undrained: Int?) -> Action {
        state = .ended
        return .finish(MountEnd(cause: cause, undrainedFiles: undrained))
    }
}
