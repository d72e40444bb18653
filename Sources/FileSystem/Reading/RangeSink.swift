import ObjectStore
import Synchronization

/// Takes the bytes of one range of one version from a GET and hands them on with their offsets.
///
/// It trusts the store with nothing: an answer for another version (some stores ignore `If-Match`), or of a size that is not
/// the version's, gives no byte; bytes outside the range (some ignore `Range`) are passed over.
final class RangeSink: DownloadSink {
    private struct State {
        var position: Int64
        /// Where the store's bytes are, which may lie before the range.
        var arriving: Int64
        var found: ObjectInfo?
        var isOpen = true
    }

    private let version: ObjectVersion
    private let end: Int64
    private let state: Mutex<State>
    private let deliver: @Sendable (Int64, UnsafeRawBufferPointer) -> Void

    /// A sink for `range` of `version`. `deliver` gets consecutive bytes, each once, valid only during the call.
    init(
        _ range: Range<Int64>, of version: ObjectVersion,
        deliver: @escaping @Sendable (Int64, UnsafeRawBufferPointer) -> Void
    ) {
        self.version = version
        end = range.upperBound
        state = Mutex(State(position: range.lowerBound, arriving: range.lowerBound))
        self.deliver = deliver
    }

    /// How far the bytes have landed.
    var position: Int64 { state.withLock { $0.position } }

    /// Takes no more bytes, even from a store that sends some after its call has returned.
    func close() { state.withLock { $0.isOpen = false } }

    /// What is wrong with a GET that succeeded; nil where all bytes are there.
    func failure() -> StoreError? {
        state.withLock { state in
            if let found = state.found, !isExpected(found) {
                return StoreError(
                    .preconditionFailed, operation: "GetObject", key: version.key,
                    message: "the store answered with another version of the object")
            }
            guard state.position < end else { return nil }
            return StoreError(
                .badResponse, operation: "GetObject", key: version.key,
                message: "the answer ended \(end - state.position) bytes early")
        }
    }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {
        state.withLock { state in
            state.found = info
            state.arriving = range.lowerBound
            if !isExpected(info) || range.lowerBound > state.position { state.isOpen = false }
        }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        // The lock is this request's own, so that only `close` ever waits for it.
        state.withLock { state in
            let skipped = min(Int64(bytes.count), max(0, state.position - state.arriving))
            state.arriving += Int64(bytes.count)
            let count = min(Int64(bytes.count) - skipped, end - state.position)
            guard state.isOpen, count > 0 else { return }
            deliver(state.position, UnsafeRawBufferPointer(rebasing: bytes[Int(skipped)..<Int(skipped + count)]))
            state.position += count
        }
    }

    private func isExpected(_ info: ObjectInfo) -> Bool {
        guard info.size == version.size else { return false }
        guard let wanted = version.etag, let found = info.etag else { return true }
        return wanted == found
    }
}
