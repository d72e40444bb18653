public import ObjectStore
import Synchronization

/// What tests look at and prepare without a request: nothing here is counted in the log.
extension InMemoryStore {
    /// All objects in the order of their keys.
    public var allObjects: [(key: ObjectKey, info: ObjectInfo)] {
        state.withLock { $0.objects.all }.map { ($0.key, $0.value.info) }
    }

    /// All keys in order.
    public var allKeys: [ObjectKey] { state.withLock { $0.objects.all }.map(\.key) }

    /// The number of objects.
    public var objectCount: Int { state.withLock { $0.objects.count } }

    /// The bytes of an object; nil where there is none.
    public func content(of key: ObjectKey) -> [UInt8]? { state.withLock { $0.objects[key] }?.content.array }

    /// The headers of an object; nil where there is none.
    public func info(of key: ObjectKey) -> ObjectInfo? { state.withLock { $0.objects[key] }?.info }

    /// The uploads under way, by key.
    public var uploadsUnderWay: [MultipartUpload] {
        state.withLock { $0.uploads }
            .map { MultipartUpload(key: $0.value.key, id: $0.key, initiated: $0.value.initiated) }
            .sorted { $0.key == $1.key ? $0.id < $1.id : $0.key < $1.key }
    }

    /// Puts an object there as another client would, unconditionally; returns its ETag.
    @discardableResult
    public func insert(
        _ key: ObjectKey, _ bytes: [UInt8] = [], metadata: ObjectMetadata = ObjectMetadata(),
        lastModified: Timestamp? = nil
    ) -> ETag {
        let content = StoredContent(bytes)
        let etag = ETag(content.hash)
        let time = Timestamp(seconds: (lastModified ?? clock.now).seconds)
        let stored = Stored(content: content, etag: etag, lastModified: time, metadata: kept(metadata, of: key))
        state.withLock { $0.objects[key] = stored }
        return etag
    }

    /// Takes an object away as another client would.
    public func remove(_ key: ObjectKey) { state.withLock { $0.objects[key] = nil } }

    /// Takes everything away, uploads under way included.
    public func removeAll() { state.withLock { $0 = State() } }
}
