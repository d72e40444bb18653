import Logging
import ObjectStore
import Synchronization
import SystemPackage

/// A run of a file's content, for a reader.
enum StagedPiece: Sendable {
    /// Bytes in memory, which stay as they are while the segment lives.
    case bytes(ReadReply.Segment)
    /// This many zeros.
    case zeros(Int)
    /// A range of the base version, to be read from there.
    case object(Range<Int64>)
    /// Bytes of the file that are on disk, or only in an upload: ``StagedFile/load(_:)`` gets them.
    case unavailable(Range<Int64>)
}

extension StagedFile {
    /// What the file holds in `range`, clipped to its size, from memory. No copy.
    func contents(of range: Range<Int64>) -> [StagedPiece] { versionedContents(of: range).pieces }

    /// The same, with the base version that its `object` ranges are of, from one moment.
    func versionedContents(of range: Range<Int64>) -> (pieces: [StagedPiece], base: ObjectVersion?) {
        state.withLock { state in
            let pieces = state.map.slice(range).map { extent -> StagedPiece in
                switch extent.source {
                case .staged(let block, let offset):
                    guard let memory = block.memory else { return .unavailable(extent.range) }
                    let bytes = UnsafeRawBufferPointer(rebasing: memory[offset..<offset + Int(extent.count)])
                    return .bytes(ReadReply.Segment(bytes: bytes, owner: BlockPin(block)))
                case .zeros: return .zeros(Int(extent.count))
                case .object(let offset): return .object(offset..<offset + extent.count)
                case .uploaded: return .unavailable(extent.range)
                }
            }
            return (pieces, state.base)
        }
    }

    /// What the file holds in `range`, clipped to its size, with nothing unavailable: spilled bytes are read from the disk, 1 pread(2)
    /// for each run of them. Where bytes are only in an upload, that is completed first: see ``StagedFile``.
    ///
    /// Errors: EIO of the disk; those of a commit.
    func load(_ range: Range<Int64>) async throws(Errno) -> (pieces: [StagedPiece], base: ObjectVersion?) {
        while true {
            if state.withLock({ $0.map.hasUploadedBytes(in: range) }) {
                try await completeEarly()
                continue
            }
            // One snapshot for all pieces: what is read from disk below does not change meanwhile.
            let (content, base): (PinnedExtents, ObjectVersion?) = state.withLock { state in
                (PinnedExtents(state.map.slice(range)), state.base)
            }
            if content.extents.contains(where: { if case .uploaded = $0.source { true } else { false } }) { continue }
            let pieces = await withTaskExecutorPreference(DiskExecutor.shared) { await self.load(content) }
            return (try pieces.get(), base)
        }
    }

    private func load(_ content: PinnedExtents) async -> Result<[StagedPiece], Errno> {
        var pieces: [StagedPiece] = []
        for extent in content.extents {
            switch extent.source {
            case .staged(let block, let offset):
                if let memory = block.memory {
                    let bytes = UnsafeRawBufferPointer(rebasing: memory[offset..<offset + Int(extent.count)])
                    pieces.append(.bytes(ReadReply.Segment(bytes: bytes, owner: content)))
                } else {
                    // Lives until the reply is sent: as short as a request, as large as one, so not reserved for.
                    let slab = Slab(capacity: Int(extent.count))
                    do throws(SpillError) {
                        try block.read(at: offset, into: slab.bytes)
                    } catch {
                        logger.error("changes of a file that are kept on disk cannot be read: \(error)")
                        return .failure(error.errno)
                    }
                    pieces.append(.bytes(ReadReply.Segment(bytes: UnsafeRawBufferPointer(slab.bytes), owner: slab)))
                }
            case .zeros: pieces.append(.zeros(Int(extent.count)))
            case .object(let offset): pieces.append(.object(offset..<offset + extent.count))
            case .uploaded: pieces.append(.unavailable(extent.range))
            }
        }
        return .success(pieces)
    }
}
