/// A moment in Unix time, to the nanosecond, as `stat(2)` gives it.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Whole seconds since 1970-01-01T00:00:00Z; negative before.
    public var seconds: Int64

    /// Nanoseconds after `seconds`: 0 to 999,999,999.
    public var nanoseconds: Int32

    /// A moment of the given seconds and nanoseconds (0 to 999,999,999).
    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Earlier before later.
    public static func < (a: Timestamp, b: Timestamp) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }
}
