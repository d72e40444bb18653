internal import ObjectStore
import Synchronization

/// A request's body made of pieces that are on this machine, each verified before a byte of it is sent.
///
/// Small contents are held in memory. Of files one block of 1 MiB is read, verified and held at a time; a request reads its
/// body from front to back, so each block is read once for each reading of the body. The lock is the body's own: the one
/// request that reads it never waits for another.
final class PieceBody: RequestBody {
    /// A stretch of the body.
    enum Part: Sendable {
        case bytes([UInt8], range: Range<Int>)
        case file(id: Int64, length: Int64, BlockChecksums, range: Range<Int64>)

        var count: Int64 {
            switch self {
            case .bytes(_, let range): Int64(range.count)
            case .file(_, _, _, let range): Int64(range.count)
            }
        }
    }

    /// The block read last.
    private struct Held {
        var id: Int64 = -1
        var index = -1
        var bytes: [UInt8] = []
        var count = 0
    }

    let length: Int64
    private let parts: [Part]
    private let starts: [Int64]
    private let blobs: BlobFolder
    private let held = Mutex(Held())

    init(_ parts: [Part], blobs: BlobFolder) {
        let parts = parts.filter { $0.count > 0 }
        var starts: [Int64] = []
        var length: Int64 = 0
        for part in parts {
            starts.append(length)
            length += part.count
        }
        self.parts = parts
        self.starts = starts
        self.length = length
        self.blobs = blobs
    }

    /// The body of pieces that are all local; small ones are read now.
    static func load(_ pieces: [ContentPiece], from shelf: ContentShelf) async throws(LocalStateError) -> PieceBody {
        var parts: [Part] = []
        for piece in pieces { parts.append(try await part(piece, from: shelf)) }
        return PieceBody(parts, blobs: shelf.blobs)
    }

    /// One local piece; a small one is read now.
    static func part(_ piece: ContentPiece, from shelf: ContentShelf) async throws(LocalStateError) -> Part {
        guard case .local(let id, let range) = piece, let entry = shelf.entry(id) else {
            throw LocalStateError(.damaged, path: shelf.blobs.path, detail: "a content is gone")
        }
        if entry.isInline {
            return .bytes(try await shelf.inlineBytes(id), range: Int(range.lowerBound)..<Int(range.upperBound))
        }
        return .file(id: id, length: entry.length, entry.checksums, range: range)
    }

    /// Copies from the part that holds `offset`: one copy.
    /// - Throws: `damaged`, `io`.
    func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard offset < length, !buffer.isEmpty else { return 0 }
        var index = starts.partitioningIndex { $0 > offset } - 1
        var done = 0
        while done < buffer.count, index < parts.count {
            let within = offset + Int64(done) - starts[index]
            let wanted = min(buffer.count - done, Int(parts[index].count - within))
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + wanted])
            switch parts[index] {
            case .bytes(let bytes, let range):
                let start = range.lowerBound + Int(within)
                bytes.withUnsafeBytes {
                    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + wanted]))
                }
            case .file(let id, let length, let sums, let range):
                try copy(id, length, sums, at: range.lowerBound + within, into: target)
            }
            done += wanted
            index += 1
        }
        return done
    }

    private func copy(
        _ id: Int64, _ length: Int64, _ sums: BlockChecksums, at offset: Int64,
        into target: UnsafeMutableRawBufferPointer
    ) throws {
        var done = 0
        let size = Int64(BlockChecksums.blockSize)
        while done < target.count {
            let position = offset + Int64(done)
            let index = Int(position / size)
            try held.withLock { held in
                if held.id != id || held.index != index {
                    if held.bytes.isEmpty { held.bytes = [UInt8](repeating: 0, count: BlockChecksums.blockSize) }
                    held.id = -1
                    var failure: LocalStateError?
                    held.count = held.bytes.withUnsafeMutableBytes { buffer in
                        do throws(LocalStateError) {
                            return try blobs.read(id, block: index, length: length, sums, into: buffer)
                        } catch {
                            failure = error
                            return 0
                        }
                    }
                    if let failure { throw failure }
                    held.id = id
                    held.index = index
                }
                let start = Int(position - Int64(index) * size)
                let count = min(held.count - start, target.count - done)
                held.bytes.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
                }
                done += count
            }
        }
    }
}

extension [Int64] {
    /// The first index whose element fulfils `predicate`, which none before and all after it does.
    func partitioningIndex(_ predicate: (Int64) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
