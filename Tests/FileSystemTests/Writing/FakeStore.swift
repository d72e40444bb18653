import ObjectStore
import Synchronization

/// A store of the few things that writing needs, with S3's rules checked, faults on demand, and everything counted.
final class FakeStore: ObjectStore {
    struct Object {
        var bytes: [UInt8]
        var etag: ETag
        var metadata: ObjectMetadata
    }
    struct Upload {
        var key: ObjectKey
        var metadata: ObjectMetadata
        var parts: [Int: (etag: ETag, bytes: [UInt8])] = [:]
    }
    /// What shall go wrong with a mutation.
    enum Fault: Sendable {
        case refuse
        /// It takes no effect, but nobody can know.
        case refuseAmbiguously
        /// It takes effect, the answer is lost, and the retry answers this.
        case loseAnswer(StoreError.Kind)
    }
    struct State {
        var objects: [ObjectKey: Object] = [:]
        var uploads: [String: Upload] = [:]
        var next = 0
        var calls: [String: Int] = [:]
        var sentBytes = 0
        var copiedBytes = 0
        var readBytes = 0
        var fault: (@Sendable (String, Int) -> Fault?)?
        var mutations = 0
        var failsHeads = false
        var history: [ObjectKey: [[UInt8]]] = [:]
    }

    let state = Mutex(State())
    let features: StoreFeatures
    /// Called before each part is taken, without a lock.
    let beforePart: (@Sendable () async -> Void)?
    var name: String { "fake" }

    init(features: StoreFeatures, beforePart: (@Sendable () async -> Void)? = nil) {
        self.features = features
        self.beforePart = beforePart
    }

    func object(_ key: ObjectKey) -> Object? { state.withLock { $0.objects[key] } }
    func history(_ key: ObjectKey) -> [[UInt8]] { state.withLock { $0.history[key] ?? [] } }
    var openUploads: Int { state.withLock { $0.uploads.count } }
    func calls(_ name: String) -> Int { state.withLock { $0.calls[name] ?? 0 } }
    func setFault(_ fault: (@Sendable (String, Int) -> Fault?)?) {
        state.withLock { state in
            state.fault = fault
            state.mutations = 0
        }
    }

    func failHeads(_ fails: Bool) { state.withLock { $0.failsHeads = fails } }

    @discardableResult
    func seed(_ key: ObjectKey, _ bytes: [UInt8]) -> ETag {
        state.withLock { state in
            state.next += 1
            let etag = ETag("v\(state.next)")
            state.objects[key] = Object(bytes: bytes, etag: etag, metadata: ObjectMetadata())
            return etag
        }
    }

    private func error(_ kind: StoreError.Kind, _ operation: String, _ key: ObjectKey?, ambiguous: Bool = false)
        -> StoreError
    {
        StoreError(kind, operation: operation, key: key, isAmbiguous: ambiguous)
    }

    private func mutate<T: Sendable>(
        _ operation: String, _ key: ObjectKey, _ body: (inout State) -> Result<T, StoreError>
    ) throws(StoreError) -> T {
        let result: Result<T, StoreError> = state.withLock { state in
            state.calls[operation, default: 0] += 1
            state.mutations += 1
            switch state.fault?(operation, state.mutations) {
            case .refuse?: return .failure(self.error(.serverError, operation, key))
            case .refuseAmbiguously?: return .failure(self.error(.timedOut, operation, key, ambiguous: true))
            case .loseAnswer(let kind)?:
                _ = body(&state)
                return .failure(self.error(kind, operation, key, ambiguous: true))
            case nil: return body(&state)
            }
        }
        return try result.get()
    }

    private func holds(_ precondition: Precondition, _ key: ObjectKey, _ state: State) -> Bool {
        switch precondition {
        case .none, .presumedAbsent: true
        case .absent: state.objects[key] == nil
        case .matches(let etag): state.objects[key]?.etag == etag
        }
    }

    private func bytes(of body: any RequestBody, _ operation: String, _ key: ObjectKey) throws(StoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: Int(body.length))
        do {
            var done = 0
            while done < bytes.count {
                // In odd pieces, as a socket takes them.
                let upper = min(bytes.count, done + 37)
                done += try bytes.withUnsafeMutableBytes {
                    try body.read(at: Int64(done), into: UnsafeMutableRawBufferPointer(rebasing: $0[done..<upper]))
                }
            }
        } catch {
            throw self.error(.bodyUnreadable, operation, key)
        }
        return bytes
    }

    private func store(_ bytes: [UInt8], _ key: ObjectKey, _ metadata: ObjectMetadata, _ state: inout State)
        -> StoredObject
    {
        state.next += 1
        let etag = ETag("v\(state.next)")
        state.objects[key] = Object(bytes: bytes, etag: etag, metadata: metadata)
        state.history[key, default: []].append(bytes)
        return StoredObject(etag: etag)
    }

    func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        let (object, fails) = state.withLock { state in
            state.calls["HeadObject", default: 0] += 1
            return (state.objects[key], state.failsHeads)
        }
        if fails { throw error(.serverError, "HeadObject", key) }
        guard let object else { throw error(.notFound, "HeadObject", key) }
        return ObjectInfo(
            size: Int64(object.bytes.count), etag: object.etag, lastModified: Timestamp(seconds: 0),
            metadata: object.metadata)
    }

    func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        throw error(.notImplemented, "GetObject", key)
    }

    /// What the file's owner would give as `readBase`.
    func reader(of version: @escaping @Sendable () -> (ObjectKey, ETag?))
        -> @Sendable (
            Range<Int64>, UnsafeMutableRawBufferPointer
        ) async throws(StoreError) -> Void
    {
        { (range, buffer) async throws(StoreError) in
            let (key, etag) = version()
            let object = self.state.withLock { state in
                state.calls["GetObject", default: 0] += 1
                state.readBytes += range.count
                return state.objects[key]
            }
            guard let object, object.etag == etag else { throw self.error(.preconditionFailed, "GetObject", key) }
            buffer.copyBytes(from: object.bytes[Int(range.lowerBound)..<Int(range.upperBound)])
        }
    }

    func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        let bytes = try bytes(of: body, "PutObject", key)
        return try mutate("PutObject", key) { state in
            guard holds(precondition, key, state) else {
                return .failure(error(.preconditionFailed, "PutObject", key))
            }
            state.sentBytes += bytes.count
            return .success(store(bytes, key, metadata, &state))
        }
    }

    func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        _ = state.withLock { $0.objects.removeValue(forKey: key) }
    }
    func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] { [] }
    func list(_ request: ListRequest) async throws(StoreError) -> ListPage { ListPage() }
    func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject {
        throw error(.notImplemented, "CopyObject", request.source)
    }
    func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage { UploadsPage() }

    func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try mutate("CreateMultipartUpload", key) { state in
            state.next += 1
            state.uploads["u\(state.next)"] = Upload(key: key, metadata: metadata)
            return .success(MultipartUpload(key: key, id: "u\(state.next)"))
        }
    }

    func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart
    {
        await beforePart?()
        let bytes = try bytes(of: body, "UploadPart", upload.key)
        return try mutate("UploadPart", upload.key) { state in
            guard state.uploads[upload.id] != nil else {
                return .failure(error(.noSuchUpload, "UploadPart", upload.key))
            }
            state.next += 1
            let etag = ETag("p\(state.next)")
            state.uploads[upload.id]!.parts[number] = (etag, bytes)
            state.sentBytes += bytes.count
            return .success(UploadedPart(number: number, etag: etag))
        }
    }

    func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        try mutate("UploadPartCopy", upload.key) { state in
            guard features.partCopies, state.uploads[upload.id] != nil else {
                return .failure(error(.noSuchUpload, "UploadPartCopy", upload.key))
            }
            guard let object = state.objects[source], ifMatch == nil || object.etag == ifMatch else {
                return .failure(error(.preconditionFailed, "UploadPartCopy", upload.key))
            }
            state.next += 1
            let etag = ETag("p\(state.next)")
            let bytes = Array(object.bytes[Int(range.lowerBound)..<Int(range.upperBound)])
            state.uploads[upload.id]!.parts[number] = (etag, bytes)
            state.copiedBytes += bytes.count
            return .success(UploadedPart(number: number, etag: etag))
        }
    }

    func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    {
        try mutate("CompleteMultipartUpload", upload.key) { state in
            guard let known = state.uploads[upload.id] else {
                return .failure(error(.noSuchUpload, "CompleteMultipartUpload", upload.key))
            }
            guard holds(precondition, upload.key, state) else {
                return .failure(error(.preconditionFailed, "CompleteMultipartUpload", upload.key))
            }
            var bytes: [UInt8] = []
            for (index, part) in parts.enumerated() {
                guard let held = known.parts[part.number], held.etag == part.etag,
                    part.number <= features.maximumPartCount,
                    index == 0 || parts[index - 1].number < part.number,
                    index == parts.count - 1 || held.bytes.count >= features.minimumPartSize,
                    held.bytes.count <= features.maximumPartSize
                else { return .failure(error(.invalidRequest, "CompleteMultipartUpload", upload.key)) }
                bytes += held.bytes
            }
            state.uploads[upload.id] = nil
            return .success(store(bytes, upload.key, known.metadata, &state))
        }
    }

    func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        state.withLock { state in
            state.calls["AbortMultipartUpload", default: 0] += 1
            state.uploads[upload.id] = nil
        }
    }
}

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
