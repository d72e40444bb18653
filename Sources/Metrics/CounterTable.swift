import Synchronization

/// Counters that many threads add to: numbers from 0 on, at fixed places.
///
/// **Cost.** Adding is one atomic addition without an order (some 10 ns; more where many processors add to the same
/// place at once): no lock, no allocation. Reading takes each place by itself, so numbers that are read while others add need
/// not fit together to the last one. 8 bytes a place, which take no memory before they are first touched.
public final class CounterTable: @unchecked Sendable {
    /// How many there are.
    public let count: Int
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    /// So many counters at 0.
    public init(_ count: Int) {
        self.count = count
        // All bits zero is the number zero; fresh pages of the system are that without being written.
        let bytes = UnsafeMutableRawPointer.zeroed(byteCount: count * MemoryLayout<Atomic<UInt64>>.stride)
        cells = bytes.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    }

    deinit { UnsafeMutableRawPointer(cells).freeZeroed() }

    /// Adds to one.
    @inline(__always)
    public func add(_ amount: UInt64 = 1, at place: Int) {
        precondition(place >= 0 && place < count)
        (cells + place).pointee.wrappingAdd(amount, ordering: .relaxed)
    }

    /// One's number now.
    public subscript(place: Int) -> UInt64 {
        precondition(place >= 0 && place < count)
        return (cells + place).pointee.load(ordering: .relaxed)
    }
}
