internal import ObjectStore
import Synchronization

/// Takes one whole version of a small object: its headers go to who waits for them, its bytes into memory.
///
/// It trusts the store with nothing: an answer of another ETag, size or range gives neither.
final class FetchSink: DownloadSink {
    private enum Headers {
        case coming(CheckedContinuation<ObjectInfo?, Never>?)
        case here(ObjectInfo?)
    }

    private struct State {
        var slab: ReservedSlab?
        var headers = Headers.coming(nil)
        var position = 0
        var isExpected = false
    }

    private let version: ObjectVersion
    private let state: Mutex<State>

    /// A sink for all bytes of a version, into a slab of its size.
    init(_ version: ObjectVersion, into slab: ReservedSlab) {
        self.version = version
        state = Mutex(State(slab: slab))
    }

    /// Whether all bytes have landed.
    var isComplete: Bool { state.withLock { $0.isExpected && $0.slab != nil && $0.position == Int(version.size) } }

    /// The object's headers, as soon as they are there, while the bytes still come; nil where it is another version now, or the
    /// store fails. To be asked by one task at the most.
    func headers() async -> ObjectInfo? {
        await withCheckedContinuation { continuation in
            let now: ObjectInfo?? = state.withLock { state in
                if case .here(let info) = state.headers { return .some(info) }
                state.headers = .coming(continuation)
                return nil
            }
            if let now { continuation.resume(returning: now) }
        }
    }

    /// Gives the bytes out; nil where they were given up.
    func take() -> ReservedSlab? {
        state.withLock { state in
            defer { state.slab = nil }
            return state.slab
        }
    }

    /// The bytes are not wanted any more: gives their memory back. The headers still are.
    func abandon() { _ = take() }

    /// Nothing more will come.
    func close() { answer(nil) }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {
        let isExpected = info.etag == version.etag && info.size == version.size && range == 0..<version.size
        state.withLock { $0.isExpected = isExpected }
        answer(isExpected ? info : nil)
    }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        // The lock is this request's own.
        state.withLock { state in
            guard state.isExpected, let slab = state.slab else { return }
            let count = min(bytes.count, slab.capacity - state.position)
            guard count > 0 else { return }
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[state.position...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            state.position += count
        }
    }

    private func answer(_ info: ObjectInfo?) {
        let waiting: CheckedContinuation<ObjectInfo?, Never>? = state.withLock { state in
            guard case .coming(let waiting) = state.headers else { return nil }
            state.headers = .here(info)
            return waiting
        }
        waiting?.resume(returning: info)
    }
}
