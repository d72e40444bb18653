internal import ObjectStore
import Synchronization

/// The keys that this mount has stored, in a megabyte.
///
/// **Problem.** Under `--attributes=listing` a file's attributes are those of its listing, but what this mount itself has set must stay right
/// after the kernel has forgotten the file, however many were stored.
///
/// **Design.** A Bloom filter: it never misses a key that was stored, and takes one that was not for stored now and then, which costs
/// a HEAD and shows what the store has. Four of 2^23 bits a key, so that is 1 in 170,000 behind a hundred thousand keys, 1 in 50
/// behind a million.
///
/// **Limits.** Nothing is ever taken out again; behind ten million keys nearly every name costs its HEAD.
final class StoredKeys: Sendable {
    private static let bits: UInt64 = 1 << 23
    private static let bitsAKey = 4

    private let words = Mutex([UInt64](repeating: 0, count: Int(StoredKeys.bits / 64)))

    /// This mount has stored the key, or is about to.
    func insert(_ key: ObjectKey) {
        let (start, step) = Self.hash(key)
        words.withLock { words in
            for index in 0..<UInt64(Self.bitsAKey) {
                let bit = (start &+ index &* step) % Self.bits
                words[Int(bit / 64)] |= 1 << (bit % 64)
            }
        }
    }

    /// Whether it may have.
    func contains(_ key: ObjectKey) -> Bool {
        let (start, step) = Self.hash(key)
        return words.withLock { words in
            (0..<UInt64(Self.bitsAKey)).allSatisfy { index in
                let bit = (start &+ index &* step) % Self.bits
                return words[Int(bit / 64)] & (1 << (bit % 64)) != 0
            }
        }
    }

    /// FNV-1a, and its upper half, made odd, as the way from bit to bit.
    private static func hash(_ key: ObjectKey) -> (UInt64, UInt64) {
        let hash = key.string.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return (hash, (hash >> 32) | 1)
    }
}
