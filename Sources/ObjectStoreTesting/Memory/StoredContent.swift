internal import ObjectStore

/// An object's bytes: a row of pieces of shared arrays, so that copies, part copies and completed uploads copy no byte.
struct StoredContent: Sendable {
    /// A range of one shared array.
    struct Piece: Sendable {
        var bytes: [UInt8]
        var range: Range<Int>
    }

    private(set) var pieces: [Piece] = []
    private(set) var size: Int64 = 0

    init() {}

    init(_ bytes: [UInt8]) {
        append(Piece(bytes: bytes, range: 0..<bytes.count))
    }

    /// Reads a body once: the only copy on the way in.
    init(reading body: any RequestBody) throws {
        let length = Int(body.length)
        let bytes = try [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            count = 0
            while count < length {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[count..<length])
                let read = try body.read(at: Int64(count), into: rest)
                guard read > 0 else { throw BodyEnded(at: count, of: length) }
                count += read
            }
        }
        self.init(bytes)
    }

    private struct BodyEnded: Error {
        var at: Int
        var of: Int
    }

    private mutating func append(_ piece: Piece) {
        guard !piece.range.isEmpty else { return }
        pieces.append(piece)
        size += Int64(piece.range.count)
    }

    mutating func append(_ other: StoredContent) {
        for piece in other.pieces { append(piece) }
    }

    /// The part of it that lies in `range`, which must lie within the content.
    func slice(_ range: Range<Int64>) -> StoredContent {
        var result = StoredContent()
        var start: Int64 = 0
        for piece in pieces {
            let end = start + Int64(piece.range.count)
            let part = range.clamped(to: start..<end)
            if !part.isEmpty {
                let from = piece.range.lowerBound + Int(part.lowerBound - start)
                result.append(Piece(bytes: piece.bytes, range: from..<(from + part.count)))
            }
            start = end
        }
        return result
    }

    /// Hands the bytes over in order, at most `chunk` at a time, without a copy.
    func forEachChunk(of chunk: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        for piece in pieces {
            piece.bytes.withUnsafeBytes { bytes in
                var start = piece.range.lowerBound
                while start < piece.range.upperBound {
                    let end = min(start + chunk, piece.range.upperBound)
                    body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                    start = end
                }
            }
        }
    }

    /// The whole as one array: a copy unless it is one whole piece.
    var array: [UInt8] {
        if pieces.count == 1, pieces[0].range == 0..<pieces[0].bytes.count { return pieces[0].bytes }
        var result: [UInt8] = []
        result.reserveCapacity(Int(size))
        for piece in pieces { result += piece.bytes[piece.range] }
        return result
    }

    /// The hash that ETags are made of.
    var hash: String {
        var hash = ContentHash()
        forEachChunk(of: 1 << 20) { hash.add($0) }
        return hash.digest()
    }
}
