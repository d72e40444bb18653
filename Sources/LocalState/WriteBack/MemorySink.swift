internal import ObjectStore
import Synchronization

/// Collects a download in memory: a range that becomes part of an upload, or what is compared with one's own.
final class MemorySink: DownloadSink {
    private let collected = Mutex<[UInt8]>([])

    var bytes: [UInt8] { collected.withLock { $0 } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {
        collected.withLock { $0.reserveCapacity(range.count) }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) { collected.withLock { $0.append(contentsOf: bytes) } }
}
