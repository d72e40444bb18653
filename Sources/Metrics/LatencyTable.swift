/// Histograms of times, one a row: how many were at most so long, and how long all took together.
///
/// The bounds are the same everywhere, so that rows and processes can be added up: from 10 µs to 100 s in steps of about three.
///
/// **Cost.** Adding is a search among fifteen bounds and two atomic additions (``CounterTable``): some 50 ns, no allocation.
public struct LatencyTable: Sendable {
    /// The buckets' upper bounds in nanoseconds.
    public static let bounds: [UInt64] = [
        10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000, 300_000_000,
        1_000_000_000, 3_000_000_000, 10_000_000_000, 30_000_000_000, 100_000_000_000,
    ]

    /// The bounds as Prometheus writes them, in seconds.
    public static let boundNames = [
        "1e-05", "3e-05", "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1", "3", "10", "30",
        "100",
    ]

    /// One row as it was read.
    public struct Row: Sendable, Equatable {
        /// How many were in each bucket, the last one being for all that took longer.
        public var buckets: [UInt64]
        /// How long all took together, in nanoseconds.
        public var nanoseconds: UInt64

        /// How many there were.
        public var count: UInt64 { buckets.reduce(0, +) }

        /// A time that so large a part (0 to 1) did not exceed, in seconds, estimated within its bucket; 0 where there were none.
        public func quantile(_ part: Double) -> Double {
            let wanted = part * Double(count)
            var below = 0.0
            for (place, number) in buckets.enumerated() where number > 0 {
                let inside = Double(number)
                if below + inside >= wanted {
                    let low = place == 0 ? 0 : Double(LatencyTable.bounds[place - 1])
                    let high = place < LatencyTable.bounds.count ? Double(LatencyTable.bounds[place]) : low
                    return (low + (high - low) * max(0, wanted - below) / inside) / 1e9
                }
                below += inside
            }
            return 0
        }

        /// The mean in seconds; 0 where there were none.
        public var mean: Double { count == 0 ? 0 : Double(nanoseconds) / Double(count) / 1e9 }
    }

    private static let width = bounds.count + 2
    private let cells: CounterTable
    /// A copy, so that the search needs no check whether a global is initialised.
    private let bounds = LatencyTable.bounds

    /// So many rows.
    public init(rows: Int) { cells = CounterTable(rows * Self.width) }

    /// Adds a time to a row.
    public func add(nanoseconds: UInt64, to row: Int) {
        var place = 0
        while place < bounds.count, nanoseconds > bounds[place] { place += 1 }
        let start = row * (bounds.count + 2)
        cells.add(at: start + place)
        cells.add(nanoseconds, at: start + bounds.count + 1)
    }

    /// A row now.
    public subscript(row: Int) -> Row {
        let start = row * Self.width
        return Row(
            buckets: (0...Self.bounds.count).map { cells[start + $0] },
            nanoseconds: cells[start + Self.bounds.count + 1])
    }
}

/// Time as it goes by, for differences.
public enum MonotonicTime {
    /// Nanoseconds since some moment; one call of clock_gettime(3), 20 to 80 ns by the machine, without a system call.
    public static var nanoseconds: UInt64 { clockNanoseconds() }
}
