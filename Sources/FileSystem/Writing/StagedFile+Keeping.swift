import ObjectStore
import Synchronization

extension StagedFile {
    /// The content as it stands, in pieces for an ``UnstoredLog``: what is staged as bodies, which keep their blocks, and the base's
    /// ranges by name. No copy, no request.
    ///
    /// Nil where bytes are only in an upload under way: see ``StagedFile``, *Streaming*.
    func piecesToKeep() -> [UnstoredContent.Piece]? {
        let (content, base) = state.withLock { (PinnedExtents($0.map.extents), $0.base) }
        var pieces: [UnstoredContent.Piece] = []
        var local: [Extent] = []
        func endLocal() {
            if !local.isEmpty { pieces.append(.bytes(StagedBody(local, origin: content))) }
            local = []
        }
        for extent in content.extents {
            switch extent.source {
            case .staged, .zeros: local.append(extent)
            case .object(let offset):
                guard let base else { return nil }
                endLocal()
                pieces.append(.stored(key: base.key, etag: base.etag, range: offset..<offset + extent.count))
            case .uploaded: return nil
            }
        }
        endLocal()
        return pieces
    }
}
