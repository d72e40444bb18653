public import Logging
public import ObjectStore
import Synchronization

/// A bucket whose changes are durable on this machine first and uploaded later.
///
/// **Problem.** A round trip to the store for every close, rename and unlink makes a mount slow, and an outage stops it. But what
/// was acknowledged must neither get lost nor be told differently afterwards.
///
/// **Design.** A decorator of the store. A mutation becomes an ``Intent``: its bytes and one row are durable in the
/// ``Journal`` before it returns (one fsync for a small file, shared by all who wait for one at the time). Reads are answered
/// from the intents laid over the bucket (``PendingTable``). A drain uploads what ``DrainSchedule`` lets run, 32 at once, for
/// as long as it takes. Opened on the journal of a mount that died, it goes on where that one stopped.
/// - A put over a pending put takes its place; a delete of what the bucket never saw costs no request; a pending file that is
///   renamed is uploaded once, under its new name.
/// - What is pending has a provisional ETag, and keeps it for this mount after the upload (``AliasTable``).
/// - A condition on what is pending is checked at once; one on the bucket when it is uploaded. If it fails then, the content is
///   *kept* (``Journal/kept``), and the store's version shows again.
/// - `absent` for a file is asked of the store at once, so that lock files hold between hosts; except in a directory that this
///   mount has made less than a minute ago. For a directory's marker and for the goal of a copy it is decided here, and a copy
///   that finds its goal taken is kept.
/// - Without room on the disk, a mutation is made in the store before it returns, once what is pending of its keys is there.
///
/// **Requests.** A put, a delete and a copy of what is pending cost none before they return; a copy of what is in the
/// bucket one HEAD. The first marker that carries metadata is put in the store at once, for only its HEAD tells whether the store keeps
/// them.
///
/// **Locks.** ``KeyLocks`` (held over the disk, and over requests where a mutation goes through), then `state` (never held
/// over anything), then the journal's and the shelf's own.
///
/// **Limits.** A foreign change shows once nothing is pending for its key. The times of pending objects are this machine's.
public final class WriteBackStore: ObjectStore {
    /// How it works.
    public struct Options: Sendable {
        /// The most uploads at a time, 1 or more.
        public var parallelUploads = 32
        /// Up to so many bytes, an object is one PUT; above, a multipart upload.
        public var singlePutThreshold: Int64 = 16 << 20
        /// Bytes of a part, at least the store's minimum; doubled until the parts are few enough.
        public var partSize: Int64 = 8 << 20
        /// The most parts of one upload on their way at a time, 1 or more.
        public var parallelParts = 4
        /// How long a mutation that has to go through waits for what is pending of its keys.
        public var throughDeadline = Duration.seconds(60)
        /// How long a directory made here is taken for nobody else's.
        public var ownDirectoryTime = Duration.seconds(60)
        /// How long to wait after the n-th failure (from 1 on) that may pass by itself; a random half of it is left out.
        public var transientDelay: @Sendable (Int) -> Duration = { .milliseconds(min(60_000, 500 << min($0 - 1, 7))) }
        /// How long to wait after a failure that will hardly pass by itself.
        public var permanentDelay = Duration.seconds(120)
        /// The most of either while somebody waits for the uploads (``WriteBackStore/settle(prefix:)``, or the end).
        public var awaitedDelay = Duration.seconds(2)

        /// Whether a change whose object somebody else has changed meanwhile is laid over that, instead of being kept aside.
        public var overwritesConflicts = false

        /// What suits a mount.
        public init() {}
    }

    struct State {
        var table = PendingTable()
        var uploads: [String: LocalUpload] = [:]
        var lastUpload: UInt64 = 0
        var ownDirectories: [ObjectKey: ContinuousClock.Instant] = [:]
        /// Whether the store keeps user metadata of markers; nil until a HEAD has told.
        var keepsMarkerMetadata: Bool?
        var waiters:
            [Int64: (isDone: @Sendable (borrowing PendingTable) -> Bool, done: CheckedContinuation<Bool, Never>)] = [:]
        var lastWaiter: Int64 = 0
        /// How many wait for uploads to end: failures are then tried again soon.
        var awaiting = 0
        var finished = 0
        var finishedBytes: Int64 = 0
        var isClosed = false
        var tasks: [Int64: Task<Void, Never>] = [:]
    }

    /// The store that everything is uploaded to.
    public let base: any ObjectStore
    /// Where everything is kept until then.
    public let journal: Journal

    let options: Options
    let logger: Logger
    let locks = KeyLocks()
    let state = Mutex(State())

    /// Lays itself over a store and begins to upload what the journal holds. The journal serves one such store at a time.
    public init(
        _ base: any ObjectStore, journal: Journal, options: Options = Options(),
        logger: Logger = Logger(label: "pail.writeback")
    ) {
        self.base = base
        self.journal = journal
        self.options = options
        self.logger = logger
        recover()
    }

    /// The bucket's name.
    public var name: String { base.name }

    /// What the bucket can do; conditions are seen to here, whatever it honours.
    ///
    /// For those that go up with an upload `base` answers: see ``CheckThenActStore``.
    public var features: StoreFeatures {
        var features = base.features
        features.conditionalWrites = true
        features.conditionalDeletes = true
        features.conditionalCompletions = true
        features.conditionalCopies = true
        features.conditionalCopyTargets = true
        features.isProbing = false
        return features
    }

    var shelf: ContentShelf { journal.shelf }

    private func recover() {
        var found: [Intent] = []
        var isReadable = true
        for row in journal.state.withLock({ state in
            defer { state.intents = [] }
            return state.intents
        }) {
            guard var intent = Intent(id: row.id, key: row.key, decoding: row.record) else {
                isReadable = false
                logger.error(
                    "the journal's intent \(row.id) for \"\(row.key)\" cannot be read; it stays in the journal")
                continue
            }
            intent.isDamaged = intent.pieces.contents.contains { shelf.entry($0)?.isDamaged ?? true }
            if intent.isDamaged {
                logger.error(
                    "\"\(intent.key)\" is not all on this machine's disk any more: it cannot be read or uploaded until it is written anew"
                )
            }
            found.append(intent)
        }
        // Which contents a row names that cannot be read, nobody knows: all stay.
        if isReadable { shelf.sweep() }
        if !found.isEmpty { logger.notice("\(found.count) changes of an earlier mount are uploaded now") }
        let loaded = found
        state.withLock { $0.table.load(loaded) }
        // Uploads of a process that died hold parts that nobody can complete any more.
        let left = journal.uploads
        if !left.isEmpty {
            Task { [base, journal] in
                for upload in left where (try? await base.abortUpload(upload)) != nil {
                    try? await journal.uploadEnded(upload)
                }
            }
        }
        pump()
    }

    // MARK: Reading

    /// HeadObject: no request for what is pending, else one.
    public func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        if let info = try pendingInfo(key, "HeadObject") { return info }
        let info = try await base.head(key)
        noteMarker(key, info)
        // What became pending meanwhile is newer; what was uploaded meanwhile has its alias by now.
        if let pending = try pendingInfo(key, "HeadObject") { return pending }
        return state.withLock { $0.table.aliases.told(info, of: key) }
    }

    /// What is pending of a key; nil where the store knows.
    func pendingInfo(_ key: ObjectKey, _ operation: String) throws(StoreError) -> ObjectInfo? {
        switch state.withLock({ $0.table.view(key) }) {
        case .stored: return nil
        case .deleted: throw Self.noSuchKey(operation, key)
        case .present(let intent): return shown(intent)
        }
    }

    /// A pending object's headers, as the store is going to show them.
    func shown(_ intent: Intent) -> ObjectInfo {
        shown(intent, dropsMarkerMetadata: state.withLock { $0.keepsMarkerMetadata } == false)
    }

    func shown(_ intent: Intent, dropsMarkerMetadata: Bool) -> ObjectInfo {
        var info = intent.info
        if info.metadata.contentType == nil { info.metadata.contentType = "binary/octet-stream" }
        let isDropped = dropsMarkerMetadata || !base.features.directoryMetadata
        if intent.key.isDirectoryMarker, isDropped { info.metadata.user = [:] }
        return info
    }

    func noteMarker(_ key: ObjectKey, _ info: ObjectInfo) {
        // Only presence tells for sure: a marker of another tool may never have had any.
        guard key.isDirectoryMarker, !info.metadata.user.isEmpty else { return }
        state.withLock { $0.keepsMarkerMetadata = true }
    }

    /// GetObject: no request where all bytes are here, else one for each stored range.
    @discardableResult
    public func get(
        _ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink
    ) async throws(StoreError) -> ObjectInfo {
        while true {
            let (view, stored, held): (PendingTable.View, ETag?, [Int64]) = state.withLock { state in
                let view = state.table.view(key)
                var held: [Int64] = []
                if case .present(let intent) = view {
                    // What is read stays, whatever takes the intent's place meanwhile.
                    held = state.table.flattened(intent.pieces).contents
                    shelf.retain(held)
                }
                return (view, ifMatch.flatMap { state.table.aliases.stored($0, of: key) }, held)
            }
            defer { shelf.release(held) }
            switch view {
            case .deleted: throw Self.noSuchKey("GetObject", key)
            case .present(let intent):
                if let ifMatch, ifMatch != intent.etag { throw Self.preconditionFailed("GetObject", key) }
                return try await PendingReader(store: self, intent: intent, sink: sink).read(range)
            case .stored:
                if ifMatch != nil, stored == nil { throw Self.preconditionFailed("GetObject", key) }
                let relay = TellingSink(sink) { [self] info in state.withLock { $0.table.aliases.told(info, of: key) } }
                do throws(StoreError) {
                    let info = try await base.get(key, range: range, ifMatch: stored, into: relay)
                    return relay.told ?? info
                } catch {
                    // It became pending, or was uploaded, after the look at it: look again, if nothing was passed on.
                    guard error.kind == .notFound || error.kind == .preconditionFailed, relay.told == nil else {
                        throw error
                    }
                    let isNew: Bool = state.withLock { state in
                        if case .stored = state.table.view(key) {
                            return ifMatch.flatMap { state.table.aliases.stored($0, of: key) } != stored
                        }
                        return true
                    }
                    if !isNew { throw error }
                }
            }
        }
    }

    /// ListMultipartUploads: the store's, without those of the drain and those collected here, which are nobody else's affair.
    public func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        var page = try await base.listUploads(prefix: prefix, after: after)
        let own = journal.state.withLock { $0.uploads }
        page.uploads.removeAll { own[MultipartUpload(key: $0.key, id: $0.id)] != nil }
        return page
    }

    // MARK: Errors

    static func noSuchKey(_ operation: String, _ key: ObjectKey) -> StoreError {
        StoreError(
            .notFound, operation: operation, key: key, status: 404, code: "NoSuchKey",
            message: "the deletion is waiting to be uploaded")
    }

    static func preconditionFailed(_ operation: String, _ key: ObjectKey) -> StoreError {
        StoreError(
            .preconditionFailed, operation: operation, key: key, status: 412, code: "PreconditionFailed",
            message: "another version is waiting to be uploaded")
    }

    static func invalid(_ operation: String, _ key: ObjectKey, _ code: String, _ message: String) -> StoreError {
        StoreError(.invalidRequest, operation: operation, key: key, status: 400, code: code, message: message)
    }

    /// A failure of this machine's disk as a store's.
    static func local(_ error: LocalStateError, _ operation: String, _ key: ObjectKey?) -> StoreError {
        StoreError(.bodyUnreadable, operation: operation, key: key, code: "LocalState", message: "\(error)")
    }
}

/// Passes a download on under the names that the mount knows.
final class TellingSink: DownloadSink {
    private let sink: any DownloadSink
    private let tell: @Sendable (ObjectInfo) -> ObjectInfo
    private let info = Mutex<ObjectInfo?>(nil)

    init(_ sink: any DownloadSink, _ tell: @escaping @Sendable (ObjectInfo) -> ObjectInfo) {
        self.sink = sink
        self.tell = tell
    }

    /// What the mount was told; nil before the headers came.
    var told: ObjectInfo? { info.withLock { $0 } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {
        let told = tell(info)
        self.info.withLock { $0 = told }
        sink.begin(told, range: range)
    }

    func receive(_ bytes: UnsafeRawBufferPointer) { sink.receive(bytes) }
}
