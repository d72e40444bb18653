internal import CChecksum

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4) of bytes that come piece by piece: several GB/s by the processor's own
/// instruction.
public struct CRC32C: Sendable, Hashable {
    /// The sum so far.
    public private(set) var value: UInt32

    /// The sum of nothing, or one to go on from.
    public init(_ value: UInt32 = 0) { self.value = value }

    /// Takes the next bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        value = pail_crc32c(value, bytes.baseAddress, bytes.count)
    }

    /// The sum of `bytes` by tables alone, to compare the instruction with.
    package static func byTables(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        pail_crc32c_tables(0, bytes.baseAddress, bytes.count)
    }
}
