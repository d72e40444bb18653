internal import ObjectStore

/// The CRC32C of each block of 1 MiB of a content, so that any range can be verified by reading the blocks around it.
struct BlockChecksums: Sendable, Equatable {
    /// Bytes a block; the last one may be shorter.
    static let blockSize = 1 << 20

    private(set) var sums: [UInt32] = []

    init() {}

    /// The sums as they are kept: four bytes each, the least significant first.
    init(decoding bytes: [UInt8]) {
        for start in stride(from: 0, through: bytes.count - 4, by: 4) {
            var sum: UInt32 = 0
            for index in (0..<4).reversed() { sum = sum << 8 | UInt32(bytes[start + index]) }
            sums.append(sum)
        }
    }

    /// Of one block, up to 1 MiB.
    static func sum(_ block: UnsafeRawBufferPointer) -> UInt32 {
        var sum = CRC32C()
        sum.update(block)
        return sum.value
    }

    /// Takes the next block in.
    mutating func append(_ block: UnsafeRawBufferPointer) { sums.append(Self.sum(block)) }

    /// Whether `block` is what was summed as number `index`.
    func matches(_ block: UnsafeRawBufferPointer, index: Int) -> Bool {
        sums.indices.contains(index) && sums[index] == Self.sum(block)
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for sum in sums {
            for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: sum >> UInt32(8 * index))) }
        }
        return bytes
    }
}
