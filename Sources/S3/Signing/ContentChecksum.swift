internal import ObjectStore

/// What is said of a body in the headers of its request: read through once before it is sent.
///
/// Runs on the caller's task. Costs one copy of the body through 256 KiB of scratch memory.
struct ContentChecksum: Sendable, Equatable {
    /// `x-amz-checksum-crc32c`.
    var crc32c: String?
    /// `Content-MD5`.
    var md5: String?
    /// `x-amz-content-sha256`, where the payload is signed.
    var sha256: String?

    private static let pieceSize = 256 << 10

    /// Reads `body` and sums what is asked for; nothing asked for reads nothing.
    init(of body: some RequestBody, crc32c wantsCRC: Bool, md5 wantsMD5: Bool, sha256 wantsSHA: Bool) throws {
        guard wantsCRC || wantsMD5 || wantsSHA else { return }
        var crc = CRC32C()
        let md5Digest = RunningDigest.md5()
        let shaDigest = RunningDigest.sha256()
        let length = body.length
        let scratch = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(min(Int64(Self.pieceSize), max(1, length))), alignment: 64)
        defer { scratch.deallocate() }
        var offset: Int64 = 0
        while offset < length {
            let wanted = Int(min(Int64(scratch.count), length - offset))
            let count = try body.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: scratch[..<wanted]))
            guard count > 0, count <= wanted else { throw BodyEndedEarly() }
            let bytes = UnsafeRawBufferPointer(rebasing: scratch[..<count])
            if wantsCRC { crc.update(bytes) }
            if wantsMD5 { md5Digest.update(bytes) }
            if wantsSHA { shaDigest.update(bytes) }
            offset += Int64(count)
        }
        if wantsCRC { crc32c = crc.base64 }
        if wantsMD5 { md5 = Base64.encode(md5Digest.finish()) }
        if wantsSHA { sha256 = Hexadecimal.string(shaDigest.finish()) }
    }

    /// A body that gave fewer bytes than its length.
    struct BodyEndedEarly: Error, CustomStringConvertible {
        var description: String { "the content to send ended early" }
    }
}
