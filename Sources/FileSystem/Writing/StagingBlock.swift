import Synchronization
import SystemPackage

/// A run of memory or of the spill file that holds staged bytes.
///
/// Bytes are added at the end (`used` grows) and seen by others only once an extent names them. While somebody reads them
/// without the file's lock (an upload, a reply to a read) the block is pinned, and bytes that an extent names are not
/// changed: a write to them goes elsewhere. So a pinned slice of the extent map is a snapshot without a copy.
///
/// The memory counts against the budget and is given back when the last extent and the last pin are gone; the disk space
/// of a spilled block goes back to its file.
///
/// `used` and the bytes are guarded by the lock of the file that the block belongs to; `pins` may fall without it.
final class StagingBlock: @unchecked Sendable {
    /// Where the bytes are.
    enum Storage: Sendable {
        /// In memory.
        case memory(Slab, reservedFrom: MemoryBudget?)
        /// In the spill file, from the offset on, with the sums of what was written.
        case disk(SpillFile, offset: Int64, sums: SpillSums)
    }

    /// Where the bytes are.
    let storage: Storage
    /// The size in bytes.
    let capacity: Int
    /// Bytes taken so far.
    var used = 0
    private let pins = Atomic<Int>(0)
    private let disk: DiskBudget?

    private init(storage: Storage, capacity: Int, disk: DiskBudget? = nil) {
        self.storage = storage
        self.capacity = capacity
        self.disk = disk
    }

    /// A block of memory; nil where the budget has no room.
    static func inMemory(capacity: Int, budget: MemoryBudget) -> StagingBlock? {
        guard budget.tryReserve(capacity) else { return nil }
        return reserved(capacity: capacity, budget: budget)
    }

    /// A block of memory that its taker has reserved from the budget, to which it is given back with the block.
    static func reserved(capacity: Int, budget: MemoryBudget) -> StagingBlock {
        StagingBlock(storage: .memory(Slab(capacity: capacity), reservedFrom: budget), capacity: capacity)
    }

    /// A block of memory that its taker has reserved for, or cannot do without.
    static func unreserved(capacity: Int) -> StagingBlock {
        StagingBlock(storage: .memory(Slab(capacity: capacity), reservedFrom: nil), capacity: capacity)
    }

    /// A block of the spill file; nil where the disk's budget has no room.
    static func onDisk(
        _ file: SpillFile, capacity: Int, for purpose: DiskBudget.Purpose, budget: DiskBudget
    ) -> StagingBlock? {
        guard budget.tryReserve(Int64(capacity), for: purpose) else { return nil }
        return StagingBlock(
            storage: .disk(file, offset: file.allocate(capacity), sums: SpillSums()), capacity: capacity, disk: budget)
    }

    deinit {
        switch storage {
        case .memory(_, let budget): budget?.release(capacity)
        case .disk(let file, let offset, _):
            file.free(at: offset, count: capacity)
            disk?.release(Int64(capacity))
        }
    }

    /// Bytes left at the end.
    var room: Int { capacity - used }

    /// The memory; nil for a block on disk.
    var memory: UnsafeMutableRawBufferPointer? {
        if case .memory(let slab, _) = storage { slab.bytes } else { nil }
    }

    /// Whether bytes that an extent names may be changed in place: they are in memory and nobody reads them.
    var isWritableInPlace: Bool {
        if case .memory = storage { pins.load(ordering: .acquiring) == 0 } else { false }
    }

    /// Forbids changes in place until a matching ``unpin()``. Called under the file's lock.
    func pin() { pins.add(1, ordering: .relaxed) }

    /// Ends a pin; the reader's last access comes before it.
    func unpin() { pins.subtract(1, ordering: .releasing) }

    /// Writes bytes into a block on disk, at `offset` of the block: 1 pwrite(2), and the sum of the bytes. May be called by
    /// several at once for ranges that do not overlap; no byte is written twice.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SpillError) {
        guard case .disk(let file, let start, let sums) = storage else { throw SpillError(errno: .badFileDescriptor) }
        try file.write(bytes, at: start + Int64(offset))
        sums.note(bytes, at: offset)
    }

    /// Copies staged bytes out. A block on disk costs 1 to 3 pread(2), and each run of up to 16 KiB that the bytes lie in is
    /// compared with the sum that was taken when it was written: EIO where it differs.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(SpillError) {
        switch storage {
        case .memory(let slab, _):
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: slab.bytes[offset..<offset + buffer.count]))
        case .disk(let file, let start, let sums):
            try sums.read(offset..<offset + buffer.count, of: file, from: start, into: buffer)
        }
    }
}

/// Keeps one block pinned for as long as it lives.
final class BlockPin: Sendable {
    private let block: StagingBlock

    /// Pins `block`. Called under the file's lock.
    init(_ block: StagingBlock) {
        self.block = block
        block.pin()
    }

    deinit { block.unpin() }
}

/// A slice of a file's extents whose staged bytes stay as they are for as long as this lives: a snapshot.
final class PinnedExtents: Sendable {
    /// The extents, in order and without gaps.
    let extents: [Extent]

    /// Pins the blocks of `extents`. Called under the file's lock.
    init(_ extents: [Extent]) {
        self.extents = extents
        for case .staged(let block, _) in extents.lazy.map(\.source) { block.pin() }
    }

    deinit {
        for case .staged(let block, _) in extents.lazy.map(\.source) { block.unpin() }
    }

    /// The extents inside `range`.
    func slice(_ range: Range<Int64>) -> [Extent] {
        var low = 0
        var high = extents.count
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].end <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        var result: [Extent] = []
        while low < extents.count, extents[low].start < range.upperBound {
            result.append(extents[low].clipped(to: range))
            low += 1
        }
        return result
    }
}
