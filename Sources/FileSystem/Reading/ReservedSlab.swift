/// A slab whose bytes are reserved in a budget for as long as anybody holds it, a reply on its way to the kernel included.
final class ReservedSlab: Sendable {
    private let slab: Slab
    private let budget: MemoryBudget

    /// Takes over a reservation of `capacity` bytes that the caller has made.
    init(capacity: Int, reservedIn budget: MemoryBudget) {
        slab = Slab(capacity: capacity)
        self.budget = budget
    }

    deinit { budget.release(slab.capacity) }

    /// The memory. Each byte is written once, before it is handed to a reader, and never again.
    var bytes: UnsafeMutableRawBufferPointer { slab.bytes }

    /// The size in bytes.
    var capacity: Int { slab.capacity }

    /// Slabs for `count` bytes, a reservation of the caller's, in pieces of `pieceSize` and a shorter last one.
    static func pieces(of count: Int64, pieceSize: Int64, reservedIn budget: MemoryBudget) -> [ReservedSlab] {
        stride(from: Int64(0), to: count, by: Int(pieceSize)).map { offset in
            ReservedSlab(capacity: Int(min(pieceSize, count - offset)), reservedIn: budget)
        }
    }
}
