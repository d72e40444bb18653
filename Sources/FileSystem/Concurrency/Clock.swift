public import ObjectStore

#if canImport(Glibc)
    import Glibc
#endif

/// A point on the monotonic clock, in nanoseconds: what ages are measured by.
public struct Moment: Hashable, Comparable, Sendable {
    /// Nanoseconds since some fixed point.
    public var nanoseconds: Int64

    /// A point on the clock.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Earlier before later.
    public static func < (a: Moment, b: Moment) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Seconds from `other` to this.
    public func seconds(since other: Moment) -> Double { Double(nanoseconds - other.nanoseconds) / 1e9 }

    /// The moment so many seconds earlier.
    public func earlier(by seconds: Double) -> Moment { Moment(nanoseconds: nanoseconds - Int64(seconds * 1e9)) }
}

/// Where the file system takes the time from, so that tests can set it.
public struct FileSystemClock: Sendable {
    /// The wall clock: what goes into a file's times.
    public var wall: @Sendable () -> Timestamp
    /// The monotonic clock: what ages are measured by.
    public var monotonic: @Sendable () -> Moment

    /// A clock of two readings.
    public init(wall: @escaping @Sendable () -> Timestamp, monotonic: @escaping @Sendable () -> Moment) {
        self.wall = wall
        self.monotonic = monotonic
    }

    /// The system's clocks: `CLOCK_REALTIME` and `CLOCK_MONOTONIC`, see clock_gettime(2).
    public static let system = FileSystemClock(
        wall: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
        },
        monotonic: {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
        })
}
