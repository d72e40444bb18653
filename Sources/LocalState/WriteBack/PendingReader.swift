internal import ObjectStore
import Synchronization

/// Serves a GET of a pending object: bytes of this machine verified, stored ranges by GETs under their version.
///
/// While it reads, the object may be uploaded, and what its stored ranges rest on may be deleted by the next intent. The
/// version stays the same, so it then looks anew where that version's bytes are and goes on where it stopped.
struct PendingReader {
    let store: WriteBackStore
    let intent: Intent
    let sink: any DownloadSink

    /// Where the bytes of the version are now.
    private enum Source {
        case pieces([ContentPiece])
        case stored(ETag)
    }

    /// Reads `range`, clipped to the object; nil for all.
    func read(_ range: Range<Int64>?) async throws(StoreError) -> ObjectInfo {
        let size = intent.size
        var wanted = 0..<size
        if let range {
            guard range.lowerBound >= 0, !range.isEmpty else {
                throw WriteBackStore.invalid("GetObject", intent.key, "InvalidArgument", "not a range of bytes")
            }
            guard range.lowerBound < size else {
                throw StoreError(
                    .rangeNotSatisfiable, operation: "GetObject", key: intent.key, status: 416, code: "InvalidRange",
                    message: "the requested range is not satisfiable")
            }
            wanted = range.clamped(to: 0..<size)
        }
        let info = store.shown(intent)
        sink.begin(info, range: wanted)
        var position = wanted.lowerBound
        var hasFailed = false
        while position < wanted.upperBound {
            guard let source = source() else { throw WriteBackStore.preconditionFailed("GetObject", intent.key) }
            let before = position
            do throws(StoreError) {
                var key = intent.key
                switch source {
                case .stored(let etag):
                    try await pass(intent.key, position..<wanted.upperBound, etag, &position)
                case .pieces(let pieces):
                    guard let piece = pieces.slice(position..<wanted.upperBound).first else { break }
                    if case .stored(let source, _, _) = piece { key = source }
                    do throws(StoreError) {
                        try await pass(piece, &position)
                    } catch {
                        // An upload has just replaced what it was made from, and nobody has noted its end yet.
                        guard error.kind == .notFound || error.kind == .preconditionFailed,
                            await hasEnded(writersOf: key)
                        else { throw error }
                        continue
                    }
                }
                if position == before {
                    throw StoreError(
                        .badResponse, operation: "GetObject", key: intent.key, message: "the content ended early")
                }
            } catch {
                // The look may have been a moment old: once more.
                guard error.kind == .notFound || error.kind == .preconditionFailed, !hasFailed || position > before
                else { throw error }
                hasFailed = true
            }
        }
        return info
    }

    /// Waits for the intents that write a key; false where there are none, or where they do not come to an end.
    private func hasEnded(writersOf key: ObjectKey) async -> Bool {
        let writers: [Int64] = store.state.withLock { state in
            state.table.schedule.touching(key).filter { state.table.intents[$0]?.key == key }
        }
        if writers.isEmpty { return false }
        return await store.wait(
            until: { table in writers.allSatisfy { table.intents[$0] == nil } }, within: store.options.throughDeadline)
    }

    private func source() -> Source? {
        store.state.withLock { state in
            if let now = state.table.intents[intent.id], now.etag == intent.etag {
                return .pieces(state.table.flattened(now.pieces))
            }
            if case .present(let now) = state.table.view(intent.key), now.etag == intent.etag {
                return .pieces(state.table.flattened(now.pieces))
            }
            if let stored = state.table.aliases.stored(intent.etag, of: intent.key) { return .stored(stored) }
            // Replaced here meanwhile: the bytes that are on this machine are held for this reader.
            return intent.pieces.isLocal ? .pieces(intent.pieces) : nil
        }
    }

    private func pass(_ piece: ContentPiece, _ position: inout Int64) async throws(StoreError) {
        switch piece {
        case .stored(let key, let etag, let range):
            try await pass(key, range, etag, &position)
        case .pending:
            throw WriteBackStore.preconditionFailed("GetObject", intent.key)
        case .local:
            do throws(LocalStateError) {
                let part = try await PieceBody.part(piece, from: store.shelf)
                if case .bytes(let bytes, let range) = part {
                    bytes.withUnsafeBytes { sink.receive(UnsafeRawBufferPointer(rebasing: $0[range])) }
                } else {
                    try await passFile(part)
                }
                position += piece.count
            } catch {
                throw WriteBackStore.local(error, "GetObject", intent.key)
            }
        }
    }

    private func passFile(_ part: PieceBody.Part) async throws(LocalStateError) {
        let body = PieceBody([part], blobs: store.shelf.blobs)
        let sink = sink
        let path = store.shelf.blobs.path
        var offset: Int64 = 0
        while offset < body.length {
            let start = offset
            let count = Int(min(Int64(BlockChecksums.blockSize), body.length - start))
            // A block each: other readers get their turn in between.
            try await store.shelf.onDisk { () throws(LocalStateError) in
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
                defer { buffer.deallocate() }
                do {
                    guard try body.read(at: start, into: buffer) == count else {
                        throw LocalStateError(.damaged, path: path, detail: "a content is cut short")
                    }
                } catch {
                    throw error as? LocalStateError ?? LocalStateError(.damaged, path: path, detail: "\(error)")
                }
                sink.receive(UnsafeRawBufferPointer(buffer))
            }
            offset += Int64(count)
        }
    }

    private func pass(_ key: ObjectKey, _ range: Range<Int64>, _ etag: ETag?, _ position: inout Int64)
        async throws(StoreError)
    {
        let relay = PassingSink(sink)
        do throws(StoreError) {
            _ = try await store.base.get(key, range: range, ifMatch: etag, into: relay)
        } catch {
            position += relay.count
            throw error
        }
        position += relay.count
    }
}

/// Passes bytes on without the headers, and counts them.
private final class PassingSink: DownloadSink {
    private let sink: any DownloadSink
    private let passed = Mutex<Int64>(0)

    init(_ sink: any DownloadSink) { self.sink = sink }

    var count: Int64 { passed.withLock { $0 } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {}

    func receive(_ bytes: UnsafeRawBufferPointer) {
        passed.withLock { $0 += Int64(bytes.count) }
        sink.receive(bytes)
    }
}
