public import ObjectStore
import Synchronization

/// A bucket in memory with S3's semantics: what the layers above are tested on.
///
/// Problem: tests need a store that answers as S3 does, in microseconds, whose inside can be looked at, and whose clock and
/// quirks the test sets.
///
/// Design: the objects lie in a ``SortedKeyMap``, contents as shared pieces (``StoredContent``), so that a copy, a part copy
/// or a completion copies no byte. Bodies are read and hashed, and bytes handed to sinks, without the lock; each
/// request takes effect in one step under it. Which conditions the store honours follows from its ``StoreFeatures``: what
/// a feature says it cannot do, it silently ignores, as such stores do.
///
/// Limits: no versions, no ACLs, no tags, no encryption. ETags are content hashes, not MD5. A first page's `startAfter` that lies
/// inside a common prefix still shows that prefix where later keys have it; one that equals it hides it. Stores differ there.
public final class InMemoryStore: ObjectStore {
    /// How the store behaves.
    public struct Options: Sendable {
        /// What it can do, as it says and as it does.
        public var features = StoreFeatures()
        /// The most bytes of user metadata, names and values in all (S3: 2,048).
        public var metadataLimit = 2048
        /// A copy of a key that ends in `/` onto itself fails with 404, as on SeaweedFS.
        public var refusesDirectorySelfCopy = false
        /// The most keys and prefixes of a page, whatever was asked (S3: 1,000).
        public var pageLimit = 1000
        /// The most bytes that a sink is given at a time.
        public var chunkSize = 128 << 10

        /// S3 itself.
        public init() {}

        /// S3 itself.
        public static let s3 = Options()

        /// Drops the user metadata of `dir/` keys (but keeps their Content-Type) and refuses their self-copies.
        public static let seaweedFS: Options = {
            var options = Options()
            options.features.directoryMetadata = false
            options.refusesDirectorySelfCopy = true
            return options
        }()

        /// Takes no notice of any condition, as rclone's server does.
        public static let ignoringConditions: Options = {
            var options = Options()
            options.features.conditionalWrites = false
            options.features.conditionalCompletions = false
            options.features.conditionalDeletes = false
            options.features.conditionalReads = false
            options.features.conditionalCopies = false
            options.features.conditionalCopyTargets = false
            return options
        }()

        /// The same with a smaller least part size, so that a test's multipart uploads stay small.
        public func with(minimumPartSize: Int64) -> Options {
            var copy = self
            copy.features.minimumPartSize = minimumPartSize
            return copy
        }
    }

    /// An object as the store holds it.
    struct Stored: Sendable {
        var content: StoredContent
        var etag: ETag
        var lastModified: Timestamp
        var metadata: ObjectMetadata

        var info: ObjectInfo {
            ObjectInfo(size: content.size, etag: etag, lastModified: lastModified, metadata: metadata)
        }
    }

    /// An upload under way.
    struct Upload: Sendable {
        var key: ObjectKey
        var metadata: ObjectMetadata
        var initiated: Timestamp
        var parts: [Int: (content: StoredContent, etag: ETag)] = [:]
    }

    /// All that a request may change.
    struct State: Sendable {
        var objects = SortedKeyMap<Stored>()
        var uploads: [String: Upload] = [:]
        var lastUploadNumber = 0
    }

    /// How it behaves.
    public let options: Options
    /// The bucket's name for messages.
    public let name: String
    /// The requests that it got.
    public let log = RequestLog()

    let clock: any StoreClock
    let state = Mutex(State())

    /// An empty bucket.
    public init(
        name: String = "memory", options: Options = .s3, clock: any StoreClock = SystemStoreClock()
    ) {
        self.name = name
        self.options = options
        self.clock = clock
    }

    /// What it can do: as its options say.
    public var features: StoreFeatures { options.features }

    // MARK: Objects

    /// HeadObject.
    public func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        try begin(StoreRequest(.head, key: key))
        guard let stored = state.withLock({ $0.objects[key] }) else { throw Self.noSuchKey(.head, key) }
        return stored.info
    }

    /// GetObject; no copy is made of the content.
    @discardableResult
    public func get(
        _ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink
    ) async throws(StoreError) -> ObjectInfo {
        try begin(StoreRequest(.get, key: key, range: range))
        guard let stored = state.withLock({ $0.objects[key] }) else { throw Self.noSuchKey(.get, key) }
        if let ifMatch, features.conditionalReads, ifMatch != stored.etag {
            throw Self.preconditionFailed(.get, key)
        }
        let size = stored.content.size
        var wanted = 0..<size
        if let range {
            guard range.lowerBound >= 0, !range.isEmpty else {
                throw Self.refusal(.invalidRequest, .get, key, 400, "InvalidArgument", "not a range of bytes")
            }
            guard range.lowerBound < size else {
                throw Self.refusal(
                    .rangeNotSatisfiable, .get, key, 416, "InvalidRange", "The requested range is not satisfiable")
            }
            wanted = range.clamped(to: 0..<size)
        }
        let info = stored.info
        sink.begin(info, range: wanted)
        stored.content.slice(wanted).forEachChunk(of: options.chunkSize) { sink.receive($0) }
        return info
    }

    /// PutObject; one copy of the body.
    public func put(
        _ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        try begin(StoreRequest(.put, key: key, bytesSent: body.length, precondition: precondition))
        try check(key, metadata, .put)
        try checkLength(body.length, .put, key)
        let content = try read(body, .put, key)
        let etag = ETag(content.hash)
        return try replace(key, content, etag, metadata, .put, precondition)
    }

    /// DeleteObject.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        try begin(StoreRequest(.delete, key: key, precondition: precondition))
        let precondition = features.conditionalDeletes ? precondition : .none
        if case .absent = precondition {
            throw Self.refusal(
                .notImplemented, .delete, key, 501, "NotImplemented",
                "A header you provided implies functionality that is not implemented")
        }
        try change { state throws(StoreError) in
            try Self.check(precondition, of: state.objects[key], .delete, key)
            state.objects[key] = nil
        }
    }

    /// DeleteObjects.
    public func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        try begin(StoreRequest(.deleteMany, key: keys.first ?? ""))
        guard (1...1000).contains(keys.count) else {
            throw Self.refusal(
                .invalidRequest, .deleteMany, nil, 400, "MalformedXML", "The XML you provided was not well-formed")
        }
        state.withLock { state in
            for key in keys { state.objects[key] = nil }
        }
        return []
    }

    /// CopyObject; no byte is copied, but a content that came in parts is hashed anew for its ETag.
    public func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        let key = request.destination
        try begin(
            StoreRequest(.copy, key: key, source: request.source, precondition: request.precondition))
        var metadata = ObjectMetadata()
        if case .replace(let replacement) = request.metadata {
            metadata = replacement
            try check(key, metadata, .copy)
        } else {
            try check(key, metadata, .copy)
            if request.source == key {
                throw Self.refusal(
                    .invalidRequest, .copy, key, 400, "InvalidRequest",
                    "This copy request is illegal because it is trying to copy an object to itself without changing it")
            }
        }
        if options.refusesDirectorySelfCopy, request.source == key, key.isDirectoryMarker {
            throw Self.noSuchKey(.copy, request.source)
        }
        let source = try self.source(request.source, request.sourceMatches, .copy)
        guard source.content.size <= features.maximumPartSize else {
            throw Self.refusal(
                .invalidRequest, .copy, key, 400, "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source")
        }
        if case .keep = request.metadata {
            // The source's storage class and a redirect do not go along on S3 either.
            metadata = source.metadata
            metadata.storageClass = request.storageClass
            metadata.websiteRedirectLocation = nil
        }
        let isFromParts = source.etag.value.utf8.contains(UInt8(ascii: "-"))
        let etag = isFromParts ? ETag(source.content.hash) : source.etag
        return try replace(key, source.content, etag, metadata, .copy, request.precondition)
    }

    // MARK: What requests have in common

    /// Notes the request; a task that is cancelled already has no effect.
    func begin(_ request: StoreRequest) throws(StoreError) {
        log.note(request)
        if Task.isCancelled {
            throw StoreError(.cancelled, operation: request.operation.rawValue, key: request.key)
        }
    }

    /// Puts an object under a key in one step, if the precondition holds.
    func replace(
        _ key: ObjectKey, _ content: StoredContent, _ etag: ETag, _ metadata: ObjectMetadata,
        _ operation: StoreOperation, _ precondition: Precondition
    ) throws(StoreError) -> StoredObject {
        let now = wholeSeconds
        let isHonoured = operation == .copy ? features.conditionalCopyTargets : features.conditionalWrites
        let honoured = isHonoured ? precondition : .none
        let stored = Stored(content: content, etag: etag, lastModified: now, metadata: kept(metadata, of: key))
        try change { state throws(StoreError) in
            try Self.check(honoured, of: state.objects[key], operation, key)
            state.objects[key] = stored
        }
        return StoredObject(etag: etag, date: now)
    }

    /// Runs a step under the lock; `withLock` itself would lose the error's type.
    func change<Result: Sendable>(
        _ body: (inout State) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try state.withLock { state throws(StoreError) in try body(&state) }
    }

    /// The store's time, as S3 tells it.
    var wholeSeconds: Timestamp { Timestamp(seconds: clock.now.seconds) }

    /// What the store keeps of the metadata.
    func kept(_ metadata: ObjectMetadata, of key: ObjectKey) -> ObjectMetadata {
        var metadata = metadata
        if metadata.contentType == nil { metadata.contentType = "binary/octet-stream" }
        if metadata.storageClass == "STANDARD" { metadata.storageClass = nil }
        var user: [String: String] = [:]
        for (name, value) in metadata.user { user[name.lowercased()] = value }
        metadata.user = key.isDirectoryMarker && !features.directoryMetadata ? [:] : user
        return metadata
    }

    func source(
        _ key: ObjectKey, _ etag: ETag?, _ operation: StoreOperation
    ) throws(StoreError) -> Stored {
        guard let stored = state.withLock({ $0.objects[key] }) else { throw Self.noSuchKey(operation, key) }
        if let etag, features.conditionalCopies, etag != stored.etag {
            throw Self.preconditionFailed(operation, key)
        }
        return stored
    }

    func read(
        _ body: any RequestBody, _ operation: StoreOperation, _ key: ObjectKey
    ) throws(StoreError) -> StoredContent {
        do {
            return try StoredContent(reading: body)
        } catch {
            throw StoreError(.bodyUnreadable, operation: operation.rawValue, key: key, message: "\(error)")
        }
    }

    func check(
        _ key: ObjectKey, _ metadata: ObjectMetadata, _ operation: StoreOperation
    ) throws(StoreError) {
        guard key.utf8Count > 0 else {
            throw Self.refusal(.invalidRequest, operation, key, 400, "InvalidArgument", "a key has at least one byte")
        }
        guard key.utf8Count <= ObjectKey.maximumLength else {
            throw Self.refusal(.keyTooLong, operation, key, 400, "KeyTooLongError", "Your key is too long")
        }
        let size = metadata.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= options.metadataLimit else {
            throw Self.refusal(
                .limitExceeded, operation, key, 400, "MetadataTooLarge",
                "Your metadata headers exceed the maximum allowed metadata size")
        }
    }

    func checkLength(
        _ length: Int64, _ operation: StoreOperation, _ key: ObjectKey
    ) throws(StoreError) {
        guard length <= features.maximumPartSize else {
            throw Self.refusal(
                .limitExceeded, operation, key, 400, "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed object size")
        }
    }

    static func check(
        _ precondition: Precondition, of stored: Stored?, _ operation: StoreOperation, _ key: ObjectKey
    ) throws(StoreError) {
        switch precondition {
        case .none, .presumedAbsent: return
        case .absent:
            if stored != nil { throw preconditionFailed(operation, key) }
        case .matches(let etag):
            // S3 answers 404, not 412, where there is nothing to match.
            guard let stored else { throw noSuchKey(operation, key) }
            if stored.etag != etag { throw preconditionFailed(operation, key) }
        }
    }

    static func noSuchKey(_ operation: StoreOperation, _ key: ObjectKey) -> StoreError {
        // A HEAD has no body, so no code either.
        operation == .head
            ? StoreError(.notFound, operation: operation.rawValue, key: key, status: 404)
            : refusal(.notFound, operation, key, 404, "NoSuchKey", "The specified key does not exist")
    }

    static func preconditionFailed(_ operation: StoreOperation, _ key: ObjectKey) -> StoreError {
        refusal(
            .preconditionFailed, operation, key, 412, "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold")
    }

    static func refusal(
        _ kind: StoreError.Kind, _ operation: StoreOperation, _ key: ObjectKey?, _ status: Int, _ code: String,
        _ message: String
    ) -> StoreError {
        StoreError(kind, operation: operation.rawValue, key: key, status: status, code: code, message: message)
    }
}
