import Glibc
public import ObjectStore
import Synchronization

/// Where a store in memory reads the time.
public protocol StoreClock: Sendable {
    /// The time now; the store cuts it to whole seconds.
    var now: Timestamp { get }
}

/// The machine's clock.
public struct SystemStoreClock: StoreClock {
    /// The machine's clock.
    public init() {}

    /// The time now, by `clock_gettime(2)`.
    public var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}

/// A clock that stands still until a test moves it.
public final class ManualStoreClock: StoreClock {
    private let time: Mutex<Timestamp>

    /// A clock that shows `start`.
    public init(_ start: Timestamp = Timestamp(seconds: 1_700_000_000)) { time = Mutex(start) }

    /// The time shown.
    public var now: Timestamp { time.withLock { $0 } }

    /// Moves on by whole seconds.
    public func advance(seconds: Int64) { time.withLock { $0.seconds += seconds } }

    /// Shows another time.
    public func set(_ now: Timestamp) { time.withLock { $0 = now } }
}
