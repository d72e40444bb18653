internal import ObjectStore

/// One block of one version of an object.
struct BlockID: Sendable, Hashable {
    /// Bytes of a block; an object's last one may be shorter. Large enough that a file a block costs little, small enough that a
    /// reader who needs a part of an object does not fill the disk.
    static let size: Int64 = 256 << 10

    var key: ObjectKey
    var etag: ETag
    /// Which: 0 and up.
    var index: Int64

    /// Where the block lies in the object, if that is not shorter.
    var range: Range<Int64> { index * Self.size..<(index + 1) * Self.size }

    /// The file that holds it, below the cache's folder: `3f/9c0d…`. Another block may have the same one: the file says whose it is.
    var fileName: String {
        // FNV-1a, stable from build to build. The parts are divided by a byte that neither may hold.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for part in [key.string, etag.value, String(index)] {
            for byte in part.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01B3
        }
        let digits = String(hash, radix: 16)
        let name = String(repeating: "0", count: 16 - digits.count) + digits
        return String(name.prefix(2)) + "/" + String(name.dropFirst(2))
    }
}
