import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A run of raw memory for file content, given back to the system when it is freed.
///
/// Content comes and goes in mebibytes; `malloc` would keep and fragment it, and the idle mount would stay as large as its
/// busiest moment. Slabs of at least ``mappingThreshold`` are anonymous mappings: pages cost memory when they are first
/// touched and none after the free. A few freed ones are kept for the next taker, because a fresh page costs a fault and
/// a clearing. Smaller slabs are `malloc`ed.
///
/// A slab does not count against a budget by itself; its holder reserves for it.
public final class Slab: @unchecked Sendable {
    /// From this size on a slab is a mapping of its own: 256 KiB.
    public static let mappingThreshold = 256 << 10

    /// The memory. Not cleared.
    public let bytes: UnsafeMutableRawBufferPointer
    private let isMapping: Bool

    /// Memory of `capacity` bytes (at least 1).
    public init(capacity: Int) {
        precondition(capacity > 0)
        isMapping = capacity >= Self.mappingThreshold
        if isMapping {
            bytes = SlabReserve.shared.take(capacity)
        } else {
            SlabReserve.shared.noteOther(capacity)
            bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        }
    }

    deinit {
        if isMapping { SlabReserve.shared.giveBack(bytes) } else { bytes.deallocate() }
    }

    /// The size in bytes.
    public var capacity: Int { bytes.count }
}

/// Freed mappings of one common size, kept for the next taker.
final class SlabReserve: Sendable {
    static let shared = SlabReserve()

    /// The size worth keeping: the one that reads and writes use.
    private static let keptSize = 1 << 20
    /// At most this many are kept: 8 MiB, a part's worth.
    private static let keptCount = 8

    private struct Free: @unchecked Sendable {
        var slabs: [UnsafeMutableRawBufferPointer] = []
        /// Bytes of other sizes taken since the last slab was given up for them.
        var takenOtherwise = 0
    }
    private let free = Mutex(Free())

    /// How many are kept now.
    var kept: Int { free.withLock { $0.slabs.count } }

    /// Memory of that size, kept or new.
    func take(_ capacity: Int) -> UnsafeMutableRawBufferPointer {
        if capacity == Self.keptSize, let kept = free.withLock({ $0.slabs.popLast().map(Boxed.init) }) {
            return kept.bytes
        }
        if capacity != Self.keptSize { noteOther(capacity) }
        let address = mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { fatalError("out of memory: \(capacity) bytes") }
        return UnsafeMutableRawBufferPointer(start: address, count: capacity)
    }

    /// Keeps freed memory, or unmaps it.
    func giveBack(_ bytes: UnsafeMutableRawBufferPointer) {
        let boxed = Boxed(bytes: bytes)
        let kept = free.withLock { free in
            guard boxed.bytes.count == Self.keptSize, free.slabs.count < Self.keptCount else { return false }
            free.slabs.append(boxed.bytes)
            return true
        }
        if !kept { munmap(bytes.baseAddress, bytes.count) }
    }

    /// Slabs of another size are taken: the memory that is kept goes as those come, or it would stand beside them.
    func noteOther(_ capacity: Int) {
        let unused: Boxed? = free.withLock { free in
            guard !free.slabs.isEmpty else { return nil }
            free.takenOtherwise += capacity
            guard free.takenOtherwise >= Self.keptSize else { return nil }
            free.takenOtherwise = 0
            return free.slabs.popLast().map(Boxed.init)
        }
        if let unused { munmap(unused.bytes.baseAddress, unused.bytes.count) }
    }

    private struct Boxed: @unchecked Sendable { var bytes: UnsafeMutableRawBufferPointer }
}
