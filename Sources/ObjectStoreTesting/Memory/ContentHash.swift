/// A 128-bit hash of a sequence of bytes: what the store in memory makes ETags of, as S3 does of MD5.
///
/// Two lanes of multiply-and-fold over 8-byte words, so that unoptimised test builds hash megabytes in milliseconds. Not
/// cryptographic; no two contents of one test collide by chance. Pieces may be added in any division.
struct ContentHash {
    private var low: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var high: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private var pending: UInt64 = 0
    private var pendingCount = 0
    private var length: UInt64 = 0

    /// Adds the next bytes.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        length += UInt64(bytes.count)
        var offset = 0
        while offset < bytes.count, pendingCount != 0 {
            addByte(bytes[offset])
            offset += 1
        }
        while offset + 8 <= bytes.count {
            addWord(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        while offset < bytes.count {
            addByte(bytes[offset])
            offset += 1
        }
    }

    /// The hash of all that was added: 32 hexadecimal digits.
    func digest() -> String {
        var end = self
        let tail = end.pending
        end.addWord(tail)
        end.addWord(length)
        end.addWord(0x1656_67B1_9E37_79F9)
        return Self.hexadecimal(end.low) + Self.hexadecimal(end.high)
    }

    private mutating func addByte(_ byte: UInt8) {
        pending |= UInt64(byte) << UInt64(8 * pendingCount)
        pendingCount += 1
        if pendingCount == 8 {
            let word = pending
            pending = 0
            pendingCount = 0
            addWord(word)
        }
    }

    private mutating func addWord(_ word: UInt64) {
        low = Self.fold(low ^ word, 0xA076_1D64_78BD_642F)
        high = Self.fold(high &+ word, 0xE703_7ED1_A0B4_28DB) ^ low
    }

    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return (product.high ^ product.low) &+ a
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
