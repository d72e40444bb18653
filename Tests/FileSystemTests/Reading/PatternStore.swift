import ObjectStore
import Synchronization

@testable import FileSystem

/// A store of objects whose bytes are a function of their offsets, so that they may be large and cost no memory. Only GET
/// works. It counts what is asked of it, and delivers in pieces, each after whatever the test wants to happen first.
final class PatternStore: ObjectStore {
    struct Object: Sendable {
        var size: Int64
        var etag: ETag?
        var seed: UInt64 = 1
    }

    struct Request: Sendable, Equatable {
        var key: ObjectKey
        var range: Range<Int64>
        var ifMatch: ETag?
    }

    private struct State {
        var objects: [ObjectKey: Object]
        var requests: [Request] = []
        var active = 0
        var mostActive = 0
        var cancelled = 0
    }

    let name = "pattern"
    var features: StoreFeatures { StoreFeatures() }
    private let state: Mutex<State>
    private let pieceSize: Int
    private let honoursConditions: Bool
    private let honoursRanges: Bool
    /// Called before each piece with the request's number (from 0) and the piece's offset.
    private let before: @Sendable (Int, Int64) async throws(StoreError) -> Void

    init(
        _ objects: [ObjectKey: Object], pieceSize: Int = 64 << 10, honoursConditions: Bool = true,
        honoursRanges: Bool = true,
        before: @escaping @Sendable (Int, Int64) async throws(StoreError) -> Void = { _, _ in await Task.yield() }
    ) {
        state = Mutex(State(objects: objects))
        self.pieceSize = pieceSize
        self.honoursConditions = honoursConditions
        self.honoursRanges = honoursRanges
        self.before = before
    }

    /// The pattern repeats after a prime number of bytes, so that no two blocks or pages of an object are the same.
    private static let pattern: [UInt8] = {
        var random = SeededRandom(seed: 0x5EED_00FF)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(1_000_003)
        while bytes.count < 1_000_000 { withUnsafeBytes(of: random.next()) { bytes += $0 } }
        return bytes + [1, 2, 3]
    }()

    /// The bytes of an object in `range`.
    static func bytes(_ range: Range<Int64>, seed: UInt64 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var position = range.lowerBound + Int64(seed * 7919)
        while bytes.count < range.count {
            let start = Int(position % Int64(pattern.count))
            let count = min(pattern.count - start, range.count - bytes.count)
            bytes += pattern[start..<start + count]
            position += Int64(count)
        }
        return bytes
    }

    var requests: [Request] { state.withLock { $0.requests } }
    var active: Int { state.withLock { $0.active } }
    var mostActive: Int { state.withLock { $0.mostActive } }
    var cancelled: Int { state.withLock { $0.cancelled } }

    func put(_ key: ObjectKey, _ object: Object?) { state.withLock { $0.objects[key] = object } }

    func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        let (found, number): (Object?, Int) = state.withLock { state in
            let object = state.objects[key]
            state.requests.append(Request(key: key, range: range ?? 0..<(object?.size ?? 0), ifMatch: ifMatch))
            state.active += 1
            state.mostActive = max(state.mostActive, state.active)
            return (object, state.requests.count - 1)
        }
        defer { state.withLock { $0.active -= 1 } }
        guard let object = found else { throw StoreError(.notFound, operation: "GetObject", key: key, status: 404) }
        if honoursConditions, let ifMatch, ifMatch != object.etag {
            throw StoreError(.preconditionFailed, operation: "GetObject", key: key, status: 412)
        }
        let asked = honoursRanges ? range ?? 0..<object.size : 0..<object.size
        guard asked.lowerBound < object.size || object.size == 0 else {
            throw StoreError(.rangeNotSatisfiable, operation: "GetObject", key: key, status: 416)
        }
        let range = asked.clamped(to: 0..<object.size)
        let info = ObjectInfo(size: object.size, etag: object.etag, lastModified: Timestamp(seconds: 0))
        var position = range.lowerBound
        var hasBegun = false
        while position < range.upperBound {
            try await before(number, position)
            if Task.isCancelled {
                state.withLock { $0.cancelled += 1 }
                throw StoreError(.cancelled, operation: "GetObject", key: key)
            }
            if !hasBegun { sink.begin(info, range: range) }
            hasBegun = true
            let count = min(Int64(pieceSize), range.upperBound - position)
            let bytes = Self.bytes(position..<position + count, seed: object.seed)
            bytes.withUnsafeBytes { sink.receive($0) }
            position += count
        }
        return info
    }

    // MARK: Nothing else

    private func unsupported(_ operation: String) -> StoreError { StoreError(.notImplemented, operation: operation) }
    func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo { throw unsupported("HeadObject") }
    func put(_ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    { throw unsupported("PutObject") }
    func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        throw unsupported("DeleteObject")
    }
    func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] { throw unsupported("DeleteObjects") }
    func list(_ request: ListRequest) async throws(StoreError) -> ListPage { throw unsupported("ListObjectsV2") }
    func copy(_ request: CopyRequest) async throws(StoreError) -> StoredObject { throw unsupported("CopyObject") }
    func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        throw unsupported("CreateMultipartUpload")
    }
    func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart
    { throw unsupported("UploadPart") }
    func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart { throw unsupported("UploadPartCopy") }
    func completeUpload(_ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition)
        async throws(StoreError) -> StoredObject
    { throw unsupported("CompleteMultipartUpload") }
    func abortUpload(_ upload: MultipartUpload) async throws(StoreError) { throw unsupported("AbortMultipartUpload") }
    func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        throw unsupported("ListMultipartUploads")
    }
}

/// A door that tasks wait at until it is opened, or they are cancelled.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var next = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var arrived = 0
        var observers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    /// How many came so far.
    var arrived: Int { state.withLock { $0.arrived } }

    func pass() async {
        let (id, observers) = state.withLock { state in
            state.arrived += 1
            let ready = state.observers.filter { $0.count <= state.arrived }
            state.observers.removeAll { $0.count <= state.arrived }
            state.next += 1
            return (state.next, ready)
        }
        for observer in observers { observer.continuation.resume() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goOn = state.withLock { state in
                    if state.isOpen || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if goOn { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits until as many as `count` have come.
    func waitForArrivals(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.arrived >= count { return true }
                state.observers.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
}

/// Waits, yielding, until something holds. Tests hang, and are ended by their time limit, where it never does.
func eventually(_ condition: @Sendable () -> Bool) async {
    while !condition() { try? await Task.sleep(for: .milliseconds(1)) }
}

extension ReadReply {
    /// The bytes of all segments.
    var bytes: [UInt8] { segments.flatMap { Array($0.bytes) } }
}
