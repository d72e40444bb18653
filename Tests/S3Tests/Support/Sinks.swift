import ObjectStore
import Synchronization

/// Collects what is downloaded, and how it came.
final class CollectingSink: DownloadSink {
    struct Content: Sendable {
        var begins: [(ObjectInfo, Range<Int64>)] = []
        var bytes: [UInt8] = []
    }

    private let content = Mutex(Content())

    var bytes: [UInt8] { content.withLock { $0.bytes } }
    var begins: [(ObjectInfo, Range<Int64>)] { content.withLock { $0.begins } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) { content.withLock { $0.begins.append((info, range)) } }
    func receive(_ bytes: UnsafeRawBufferPointer) { content.withLock { $0.bytes.append(contentsOf: bytes) } }
}

/// Bytes that look random and are the same for the same seed.
func patterned(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 24)
    }
}
