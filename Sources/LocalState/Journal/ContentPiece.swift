internal import ObjectStore

/// A stretch of a pending object's content, and where its bytes are.
enum ContentPiece: Sendable, Equatable {
    /// On this machine: bytes of a content of the ``ContentShelf``.
    case local(content: Int64, range: Range<Int64>)
    /// In the bucket: bytes of one version of an object.
    case stored(key: ObjectKey, etag: ETag?, range: Range<Int64>)
    /// In what another intent is going to store.
    case pending(intent: Int64, key: ObjectKey, range: Range<Int64>)

    var range: Range<Int64> {
        switch self {
        case .local(_, let range), .stored(_, _, let range), .pending(_, _, let range): range
        }
    }

    var count: Int64 { Int64(range.count) }

    var content: Int64? {
        if case .local(let content, _) = self { content } else { nil }
    }

    /// The same source, `part` of it, counted from the piece's own beginning.
    func slice(_ part: Range<Int64>) -> ContentPiece {
        let moved = range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound
        switch self {
        case .local(let content, _): return .local(content: content, range: moved)
        case .stored(let key, let etag, _): return .stored(key: key, etag: etag, range: moved)
        case .pending(let intent, let key, _): return .pending(intent: intent, key: key, range: moved)
        }
    }
}

extension [ContentPiece] {
    /// Bytes in all.
    var length: Int64 { reduce(0) { $0 + $1.count } }

    /// The contents on this machine that are named, once for each time.
    var contents: [Int64] { compactMap(\.content) }

    /// Whether every byte is on this machine.
    var isLocal: Bool { allSatisfy { $0.content != nil } }

    /// The pieces that make `range` of the whole.
    func slice(_ range: Range<Int64>) -> [ContentPiece] {
        var result: [ContentPiece] = []
        var start: Int64 = 0
        for piece in self {
            let part = range.clamped(to: start..<start + piece.count)
            if !part.isEmpty { result.append(piece.slice(part.lowerBound - start..<part.upperBound - start)) }
            start += piece.count
        }
        return result
    }
}

extension RecordWriter {
    mutating func write(_ pieces: [ContentPiece]) {
        write(Int64(pieces.count))
        for piece in pieces {
            switch piece {
            case .local(let content, let range):
                write(0)
                write(content)
                write(range)
            case .stored(let key, let etag, let range):
                write(1)
                write(key.string)
                write(etag?.value)
                write(range)
            case .pending(let intent, let key, let range):
                write(2)
                write(intent)
                write(key.string)
                write(range)
            }
        }
    }
}

extension RecordReader {
    mutating func pieces() throws(Malformed) -> [ContentPiece] {
        var pieces: [ContentPiece] = []
        var length: Int64 = 0
        for _ in 0..<(try count()) {
            // Who adds up the pieces shall not have to fear for the sum.
            if let last = pieces.last {
                let (sum, overflow) = length.addingReportingOverflow(last.count)
                guard !overflow, sum <= Int64.max / 2 else { throw Malformed() }
                length = sum
            }
            switch try number() {
            case 0: pieces.append(.local(content: try number(), range: try range()))
            case 1:
                let key = ObjectKey(try text())
                pieces.append(.stored(key: key, etag: try optionalText().map { ETag($0) }, range: try range()))
            case 2:
                let intent = try number()
                pieces.append(.pending(intent: intent, key: ObjectKey(try text()), range: try range()))
            default: throw Malformed()
            }
        }
        return pieces
    }
}
