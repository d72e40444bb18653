public import Logging
public import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// What HEADs have told, on this machine's disk, for the next mount.
///
/// **Problem.** A listing tells size, time and ETag of an object; mode, owner and exact times cost a HEAD each, and every mount asks anew.
///
/// **Design.** A row belongs to one version: key, ETag and second of storing, as a listing shows them; what a listing does not show is never
/// looked for. So nothing here can be out of date, as long as no two versions share these three: that is for whoever hands rows in, who knows when
/// they were read. Versions that are not in the bucket yet (``ProvisionalETag``) are not kept.
/// An SQLite database of its own (``HeaderTable``), in WAL mode, with one thread that reads and one that writes. Rows are written in the
/// background, all that come within a tenth of a second in one transaction; a stretch of a directory is read by one query, and rows of objects that
/// the listing does not show any more go. Whole directories go as the least recently used. It is a cache: a database that is damaged or of
/// another format is thrown away, and nothing is synced.
///
/// **Bounds.** ``DiskShare/limit`` bytes of rows and indexes, about; below ``DiskShare/minimumFree`` of free disk nothing is written. Of rows to be
/// written 10,000 wait in memory at the most; more are not kept.
///
/// **Limits.** One process a file: whoever opens it holds the directory that it lies in (``StateDirectory``).
public final class HeaderCache: Sendable {
    /// How much of the disk it may use.
    public typealias Options = DiskShare

    /// How often versions were here and were not, since the start.
    public struct Counts: Sendable, Equatable {
        /// Versions found.
        public var hits = 0
        /// Versions not found.
        public var misses = 0
        /// Rows that were not what they should be.
        public var damaged = 0
        /// Bytes kept now, about.
        public var bytes: Int64 = 0
    }

    /// The database's name in its directory.
    public static let fileName = "attributes.sqlite"

    /// The most rows that wait to be written.
    private static let mostWaiting = 10_000

    private enum Change: Sendable {
        case keep(ObjectKey, ObjectInfo)
        case forget(ObjectKey)
        /// These names of a directory are gone.
        case gone([String], directory: String)
        case used(directory: String)
        case settle(CheckedContinuation<Void, Never>)
    }

    private struct State {
        var counts = Counts()
        var waiting = 0
        /// It has failed: nothing is read or written any more, and the next start throws it away.
        var isBroken = false
        /// Nothing was ever written to it.
        var isEmpty: Bool
        /// Keys that were forgotten and whose rows may still be there.
        var forgotten: [ObjectKey: Int] = [:]
        /// How often keys were forgotten.
        var forgets = 0
    }

    /// A connection that one thread alone touches.
    private struct Connection: @unchecked Sendable {
        let table: HeaderTable
    }

    private let path: String
    private let options: Options
    private let logger: Logger
    private let state: Mutex<State>
    private let reading: Connection
    private let writing: Connection
    private let readers: WorkerThreads<@Sendable () -> Void>
    private let writer: WorkerThreads<Change>

    /// Opens the cache in `folder`, which this process holds. Waits for the disk.
    /// - Throws: `io`, `diskFull`.
    public init(in folder: String, options: Options, logger: Logger = Logger(label: "pail.attributes"))
        throws(LocalStateError)
    {
        let path = folder + "/" + Self.fileName
        let tables = try Self.open(path, logger)
        self.path = path
        self.options = options
        self.logger = logger
        reading = Connection(table: tables.reading)
        writing = Connection(table: tables.writing)
        var counts = Counts()
        counts.bytes = try tables.writing.bytes()
        state = Mutex(State(counts: counts, isEmpty: counts.bytes == 0))
        readers = WorkerThreads { for job in $0 { job() } }
        let slot = Mutex<(@Sendable ([Change]) -> Void)?>(nil)
        let handler = WriterSlot(slot: slot)
        writer = WorkerThreads(batch: 4096) { handler.run($0) }
        handler.set { [weak self] changes in self?.write(changes) }
        try readers.start(1)
        try writer.start(1)
    }

    private static func open(_ path: String, _ logger: Logger) throws(LocalStateError) -> (
        reading: HeaderTable, writing: HeaderTable
    ) {
        do throws(LocalStateError) {
            return (try HeaderTable(path), try HeaderTable(path))
        } catch {
            guard error.kind == .damaged else { throw error }
            logger.notice("the cache of attributes cannot be read and is begun anew: \(error)")
            removeFiles(path)
            return (try HeaderTable(path), try HeaderTable(path))
        }
    }

    private static func removeFiles(_ path: String) {
        for end in ["", "-wal", "-shm"] { unlink(path + end) }
    }

    /// Ends the threads; what waits is written. Blocks until then.
    public func close() {
        _ = writer.stop(finishing: true)
        // Somebody waits for each of these.
        for job in readers.stop() { job() }
        reading.table.database.close()
        writing.table.database.close()
        if state.withLock({ $0.isBroken }) { Self.removeFiles(path) }
    }

    /// How it does.
    public var counts: Counts { state.withLock { $0.counts } }

    /// Whether there is surely nothing to be found.
    public var isEmpty: Bool { state.withLock { $0.isEmpty || $0.isBroken } }

    // MARK: Reading

    /// What is kept of the listed objects, which lie in one directory and come in the order of their keys. One query.
    /// - Parameter isStretch: whether these are all objects of the directory between the first and the last.
    public func recall(_ listed: [ListedObject], isStretch: Bool) async -> [ObjectKey: ObjectInfo] {
        if listed.isEmpty || isEmpty { return [:] }
        return await withCheckedContinuation { continuation in
            let isQueued = readers.enqueue { [self] in continuation.resume(returning: read(listed, isStretch)) }
            if !isQueued { continuation.resume(returning: [:]) }
        }
    }

    private func read(_ listed: [ListedObject], _ isStretch: Bool) -> [ObjectKey: ObjectInfo] {
        let forgets = state.withLock { $0.isBroken ? nil : $0.forgets }
        guard let forgets else { return [:] }
        let places = listed.map { Self.place(of: $0.key) }
        guard let path = places.first?.directory else { return [:] }
        var found: [ObjectKey: ObjectInfo] = [:]
        var damaged = 0
        var gone: [String] = []
        do throws(LocalStateError) {
            let table = reading.table
            guard let directory = try table.directory(path) else { return [:] }
            var rows: [String: HeaderTable.Found]
            if isStretch || listed.count > 16 {
                rows = try table.objects(of: directory.id, from: places[0].name, to: places[places.count - 1].name)
            } else {
                rows = [:]
                for place in places { rows[place.name] = try table.object(place.name, of: directory.id) }
            }
            for (object, place) in zip(listed, places) {
                guard let row = rows.removeValue(forKey: place.name) else { continue }
                guard let etag = object.etag, row.etag.utf8.elementsEqual(etag.value.utf8),
                    row.seconds == object.lastModified.seconds
                else { continue }
                guard let info = HeaderRecord.decode(row.record, of: object.key, etag: etag, seconds: row.seconds),
                    info.size == object.size
                else {
                    damaged += 1
                    gone.append(place.name)
                    continue
                }
                found[object.key] = info
            }
            if isStretch { gone.append(contentsOf: rows.keys) }
            if now() - directory.used > HeaderTable.useInterval { enqueue(.used(directory: path)) }
        } catch { fail(error) }
        state.withLock { state in
            for key in state.forgotten.keys { found[key] = nil }
            // One of them may have been forgotten, and its row removed, since it was read.
            if state.forgets != forgets { found = [:] }
            state.counts.hits += found.count
            state.counts.misses += listed.count - found.count
            state.counts.damaged += damaged
        }
        if !gone.isEmpty { enqueue(.gone(gone, directory: path)) }
        return found
    }

    // MARK: Writing

    /// Keeps what a HEAD or GET has told of a key. Returns at once.
    public func keep(_ info: ObjectInfo, of key: ObjectKey) {
        guard let etag = info.etag, !ProvisionalETag.isOne(etag) else { return }
        let isKept = state.withLock { state in
            guard !state.isBroken, state.waiting < Self.mostWaiting else { return false }
            state.waiting += 1
            state.isEmpty = false
            return true
        }
        if isKept { enqueue(.keep(key, info)) }
    }

    /// Forgets what is kept of a key. Returns at once.
    public func forget(_ key: ObjectKey) {
        let isThere = state.withLock { state in
            if state.isEmpty || state.isBroken { return false }
            state.forgotten[key, default: 0] += 1
            state.forgets += 1
            return true
        }
        if isThere { enqueue(.forget(key)) }
    }

    /// Waits until all that was handed in is written.
    func settle() async {
        await withCheckedContinuation { continuation in
            if !writer.enqueue(.settle(continuation)) { continuation.resume() }
        }
    }

    private func enqueue(_ change: Change) { _ = writer.enqueue(change, isRelaxed: true) }

    private func write(_ changes: [Change]) {
        defer { note(changes) }
        guard !state.withLock({ $0.isBroken }) else { return }
        let table = writing.table
        do throws(LocalStateError) {
            try table.database.execute("BEGIN IMMEDIATE")
            var bytes = state.withLock { $0.counts.bytes }
            let hasRoom = options.hasRoom(for: 0, at: path)
            for change in changes { try apply(change, &bytes, hasRoom: hasRoom) }
            try table.database.execute("COMMIT")
            state.withLock { $0.counts.bytes = bytes }
        } catch {
            if table.database.isInTransaction { try? table.database.execute("ROLLBACK") }
            // A row that was to be forgotten may be there still.
            let mustForget = changes.contains { if case .forget = $0 { true } else { false } }
            fail(mustForget ? LocalStateError(.damaged, path: path, detail: error.description) : error)
        }
    }

    private func apply(_ change: Change, _ bytes: inout Int64, hasRoom: Bool) throws(LocalStateError) {
        let table = writing.table
        switch change {
        case .keep(let key, let info):
            guard hasRoom, let etag = info.etag else { return }
            let place = Self.place(of: key)
            let row = HeaderTable.Row(
                name: place.name, etag: etag.value, seconds: info.lastModified.seconds,
                record: HeaderRecord.encode(info, of: key))
            let directory = try table.make(place.directory, at: now())
            if bytes + row.bytes > options.limit {
                // Down to nine tenths, so that not every row costs a search.
                while bytes > options.limit / 10 * 9, let freed = try table.removeOldest(but: directory) {
                    bytes -= freed
                }
                // One directory that is larger than all may be.
                guard bytes + row.bytes <= options.limit else { return }
            }
            bytes += try table.put(row, in: directory)
        case .forget(let key):
            let place = Self.place(of: key)
            guard let directory = try table.directory(place.directory) else { return }
            bytes += try table.remove(place.name, of: directory.id)
        case .gone(let names, let path):
            guard let directory = try table.directory(path) else { return }
            for name in names { bytes += try table.remove(name, of: directory.id) }
        case .used(let path):
            guard let directory = try table.directory(path) else { return }
            try table.noteUse(of: directory.id, at: now())
        case .settle: break
        }
    }

    private func note(_ changes: [Change]) {
        var waiters: [CheckedContinuation<Void, Never>] = []
        state.withLock { state in
            for change in changes {
                switch change {
                case .keep: state.waiting -= 1
                case .forget(let key):
                    let left = (state.forgotten[key] ?? 1) - 1
                    state.forgotten[key] = left > 0 ? left : nil
                case .settle(let waiter): waiters.append(waiter)
                case .gone, .used: break
                }
            }
        }
        for waiter in waiters { waiter.resume() }
    }

    /// A full disk costs what was to be written; anything else ends the cache for this mount, and the next one begins anew.
    private func fail(_ error: LocalStateError) {
        if error.kind == .diskFull { return logger.debug("the cache of attributes: \(error)") }
        let isNew = state.withLock { state in
            defer { state.isBroken = true }
            return !state.isBroken
        }
        if isNew { logger.warning("attributes are not kept on this machine any more: \(error)") }
    }

    private func now() -> Int64 { Int64(time(nil)) }

    /// A key's directory, `/` at its end, and its name there.
    private static func place(of key: ObjectKey) -> (directory: String, name: String) {
        let text = key.string.utf8
        guard let slash = text.lastIndex(of: UInt8(ascii: "/")) else { return ("", key.string) }
        return (String(key.string[...slash]), String(key.string[text.index(after: slash)...]))
    }
}

/// Where the writer's thread finds what to do: the thread is made before the cache that it writes to.
private final class WriterSlot<Change: Sendable>: Sendable {
    private let slot: Mutex<(@Sendable ([Change]) -> Void)?>

    init(slot: consuming Mutex<(@Sendable ([Change]) -> Void)?>) { self.slot = slot }

    func set(_ body: @escaping @Sendable ([Change]) -> Void) { slot.withLock { $0 = body } }

    func run(_ changes: [Change]) { slot.withLock { $0 }?(changes) }
}
