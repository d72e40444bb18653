import ObjectStore
import SystemPackage

/// A part of a file as the body of a request: staged bytes, zeros, and base bytes that were read for it.
///
/// No copy is made: the body reads the blocks, which it keeps pinned. It can be read any number of times, as checksums and
/// retries want. A read from a spilled block is a pread(2) on the HTTP thread.
struct StagedBody: RequestBody {
    private let pieces: PinnedExtents
    /// What else the bytes need to stay: the snapshot that they come from.
    private let origin: PinnedExtents
    let length: Int64

    /// A body of `pieces`, which have no range of an object among them.
    init(_ pieces: [Extent], origin: PinnedExtents) {
        // Positions count from the body's first byte on.
        let start = pieces.first?.start ?? 0
        self.pieces = PinnedExtents(
            pieces.map { Extent(start: $0.start - start, count: $0.count, source: $0.source) })
        self.origin = origin
        length = (pieces.last?.end ?? 0) - start
    }

    func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let range = offset..<min(length, offset + Int64(buffer.count))
        guard !range.isEmpty else { return 0 }
        for piece in pieces.slice(range) {
            let start = Int(piece.start - offset)
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + Int(piece.count)])
            switch piece.source {
            case .staged(let block, let at): try block.read(at: at, into: target)
            case .zeros: target.initializeMemory(as: UInt8.self, repeating: 0)
            case .object, .uploaded: throw SpillError(errno: .ioError)
            }
        }
        return range.count
    }
}
