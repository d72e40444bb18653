public import ObjectStore
import Synchronization

/// A store whose ranges are read from this machine's disk where they are there, and kept there as they arrive.
///
/// **Design.** Only what is read under an ETag is looked for and kept, so an answer from here is the very version that the caller
/// asked for. The blocks at the beginning of a range are served from the ``BlockCache`` up to the first that is missing; all behind it
/// comes with one request, as if there were no cache. So a read costs one request or none, never more.
///
/// **Requests.** None where all blocks are here, else the one of the base. One copy more of each byte that is kept.
/// A whole object, without a range, is asked for because of its headers too: that always costs its request, and keeps the blocks.
///
/// **Limits.** An answer from here carries size, ETag and time, none of the object's other headers.
public final class BlockCacheStore: ForwardingStore {
    /// The store inside.
    public let base: any ObjectStore
    private let cache: BlockCache

    /// A store around `base` that keeps blocks in `cache`.
    public init(_ base: any ObjectStore, cache: BlockCache) {
        self.base = base
        self.cache = cache
    }

    /// GetObject, from the disk as far as that goes.
    @discardableResult
    public func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        guard let etag = ifMatch, range?.isEmpty != true else {
            return try await base.get(key, range: range, ifMatch: ifMatch, into: sink)
        }
        guard let range else {
            let keeper = BlockKeeper(key: key, etag: etag, from: 0, sink: sink, served: nil, cache: cache)
            return try await base.get(key, range: nil, ifMatch: etag, into: keeper)
        }
        var position = range.lowerBound
        var end = range.upperBound
        var found: ObjectInfo?
        while position < end {
            let id = BlockID(key: key, etag: etag, index: position / BlockID.size)
            guard let block = await cache.read(id) else { break }
            if found == nil {
                let info = ObjectInfo(size: block.object.size, etag: etag, lastModified: block.object.lastModified)
                found = info
                end = min(end, block.object.size)
                sink.begin(info, range: position..<end)
            }
            let part = id.range.clamped(to: position..<end)
            block.withBytes { bytes in
                let start = Int(part.lowerBound - id.range.lowerBound)
                sink.receive(UnsafeRawBufferPointer(rebasing: bytes[start..<start + part.count]))
            }
            position = part.upperBound
        }
        if let found, position == end { return found }
        let keeper = BlockKeeper(
            key: key, etag: etag, from: position, sink: sink, served: found.map { (size: $0.size, end: end) },
            cache: cache)
        let info = try await base.get(key, range: position..<end, ifMatch: etag, into: keeper)
        // Some stores ignore If-Match: bytes of another version must not follow those from here.
        guard !keeper.isRefused else {
            throw StoreError(
                .preconditionFailed, operation: "GetObject", key: key,
                message: "the store answered with another version of the object")
        }
        return info
    }
}

/// Hands bytes on and keeps the blocks that come whole.
private final class BlockKeeper: DownloadSink {
    private struct State {
        var position: Int64
        var object: BlockCache.ObjectFacts?
        var block: [UInt8] = []
        var isRefused = false
        var keeps = false
    }

    private let key: ObjectKey
    private let etag: ETag
    private let sink: any DownloadSink
    /// What was served from the disk before: the object's size and where its answer is to end.
    private let served: (size: Int64, end: Int64)?
    private let cache: BlockCache
    private let state: Mutex<State>

    init(
        key: ObjectKey, etag: ETag, from position: Int64, sink: any DownloadSink, served: (size: Int64, end: Int64)?,
        cache: BlockCache
    ) {
        self.key = key
        self.etag = etag
        self.sink = sink
        self.served = served
        self.cache = cache
        state = Mutex(State(position: position))
    }

    /// Whether what came was another version than what had been served.
    var isRefused: Bool { state.withLock { $0.isRefused } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {
        let isOurs = info.etag == etag
        let fits = state.withLock { state -> Bool in
            state.keeps = isOurs && range.lowerBound == state.position
            state.object = .init(size: info.size, lastModified: info.lastModified)
            guard let served else { return true }
            state.isRefused = !isOurs || info.size != served.size || range.lowerBound != state.position
            return false
        }
        if fits { sink.begin(info, range: range) }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        let isRefused = state.withLock { state in
            if state.keeps { keep(bytes, &state) }
            return state.isRefused
        }
        if !isRefused { sink.receive(bytes) }
    }

    /// Collects blocks from their first byte on; the lock is this request's own.
    private func keep(_ bytes: UnsafeRawBufferPointer, _ state: inout State) {
        guard let object = state.object else { return }
        var rest = bytes
        while !rest.isEmpty, state.position < object.size {
            let index = state.position / BlockID.size
            let id = BlockID(key: key, etag: etag, index: index)
            let range = id.range.clamped(to: 0..<object.size)
            let count = min(rest.count, Int(range.upperBound - state.position))
            let isWhole = state.position - range.lowerBound == Int64(state.block.count)
            if isWhole {
                if state.block.isEmpty { state.block.reserveCapacity(range.count) }
                state.block.append(contentsOf: rest[..<count])
            }
            state.position += Int64(count)
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            guard state.position == range.upperBound else { continue }
            if isWhole { cache.store(id, of: object, state.block) }
            state.block = []
        }
    }
}
