public import ObjectStore
import Synchronization

/// Collects what a GET brings: for tests.
public final class CollectingSink: DownloadSink {
    private struct State {
        var bytes: [UInt8] = []
        var info: ObjectInfo?
        var range: Range<Int64>?
        var beginnings = 0
    }

    private let state = Mutex(State())

    /// An empty sink.
    public init() {}

    /// The bytes so far.
    public var bytes: [UInt8] { state.withLock { $0.bytes } }
    /// The headers; nil before they came.
    public var info: ObjectInfo? { state.withLock { $0.info } }
    /// The range that follows the headers; nil before they came.
    public var range: Range<Int64>? { state.withLock { $0.range } }
    /// How many times headers came: 1 unless the store breaks the rules.
    public var beginnings: Int { state.withLock { $0.beginnings } }

    /// Notes the headers.
    public func begin(_ info: ObjectInfo, range: Range<Int64>) {
        state.withLock {
            $0.info = info
            $0.range = range
            $0.beginnings += 1
        }
    }

    /// Appends the bytes: one copy.
    public func receive(_ bytes: UnsafeRawBufferPointer) { state.withLock { $0.bytes += bytes } }
}

extension ObjectStore {
    /// The bytes of an object or of a range of it, in one array: one GET and one copy.
    public func bytes(
        of key: ObjectKey, range: Range<Int64>? = nil, ifMatch: ETag? = nil
    ) async throws(StoreError) -> [UInt8] {
        let sink = CollectingSink()
        try await get(key, range: range, ifMatch: ifMatch, into: sink)
        return sink.bytes
    }

    /// All keys and common prefixes under a prefix, page by page: one LIST for each page.
    public func listAll(
        _ prefix: String, delimiter: String? = nil, startAfter: String? = nil, limit: Int = 1000
    ) async throws(StoreError) -> (objects: [ListedObject], commonPrefixes: [String]) {
        var request = ListRequest(prefix: prefix, delimiter: delimiter, startAfter: startAfter, limit: limit)
        var objects: [ListedObject] = []
        var prefixes: [String] = []
        repeat {
            let page = try await list(request)
            objects += page.objects
            prefixes += page.commonPrefixes
            request.continuation = page.next
        } while request.continuation != nil
        return (objects, prefixes)
    }
}
