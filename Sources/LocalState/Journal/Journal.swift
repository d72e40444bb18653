public import Logging
internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// What this machine must still remember after a crash: intents and their bytes, and the work of the file system that a crash
/// may leave half done.
///
/// **Problem.** A process can die at any instruction, and the disk can be full at any write. What was promised must be found
/// again; what was not must leave no trace that could be mistaken for a promise.
///
/// **Design.** One SQLite database (WAL, `synchronous=FULL`) with one writer thread that commits in groups
/// (``GroupCommit``), and plain files for large contents (``ContentShelf``). Every call that notes something returns only
/// once the transaction is durable. The rows are also held in memory, so listings cost nothing.
/// A damaged database is put aside under its date, with the files it names, and never deleted; a new one is begun and
/// ``findings`` says so.
///
/// **Limits.** One process at a time, for which ``StateDirectory`` answers. All rows fit into memory.
///
/// See <https://www.sqlite.org/wal.html>.
public final class Journal: Sendable {
    /// How much of the disk it may use.
    public struct Options: Sendable {
        /// The most bytes of contents kept, 0 or more.
        public var maximumBytes: Int64 = 16 << 30
        /// Bytes of the disk that stay free.
        public var minimumFree: Int64 = 1 << 30

        /// 16 GiB at most, 1 GiB left free.
        public init() {}
    }

    /// Something that the start found and that a person should know.
    public struct Finding: Sendable, Equatable, CustomStringConvertible {
        /// One line.
        public var description: String
    }

    /// The directory that it lies in.
    public let directory: StateDirectory
    /// What the start found: a damaged database put aside, contents that are gone. Each was logged as an error too.
    public let findings: [Finding]

    let shelf: ContentShelf
    let commits: GroupCommit
    let state: Mutex<State>

    struct State: Sendable {
        var uploads: [MultipartUpload: Int64] = [:]
        var renames: [Int64: DirectoryRename] = [:]
        var exchanges: [Int64: KeyExchange] = [:]
        var hidden: Set<ObjectKey> = []
        var kept: [Int64: KeptRecord] = [:]
        /// What a strict mount's closes could not store, for the next mount.
        var unstored: [Int64: Intent] = [:]
        var nextID: Int64 = 1
        /// The intents as the start found them, taken by the write-back store.
        var intents: [(id: Int64, key: String, record: [UInt8])] = []

        mutating func makeID() -> Int64 {
            defer { nextID += 1 }
            return nextID
        }
    }

    /// Opens the journal of a directory, making it where there is none. Waits for the disk.
    /// - Throws: `newerFormat`, `diskFull`, `io`.
    public static func open(
        in directory: StateDirectory, options: Options = Options(), logger: Logger = Logger(label: "pail.journal")
    ) throws(LocalStateError) -> Journal {
        var findings: [Finding] = []
        let path = directory.path + "/journal.sqlite"
        do throws(LocalStateError) {
            return try Journal(directory, path, options, &findings, logger)
        } catch {
            guard error.kind == .damaged else { throw error }
            let aside = try putAside(directory.path)
            findings.append(
                Finding(
                    description: "the journal was damaged (\(error)); it was kept as \(aside) and a new one begun: "
                        + "what it held has not been uploaded"))
            return try Journal(directory, path, options, &findings, logger)
        }
    }

    /// Renames the database and its contents so that nothing of them is touched any more; returns the new name.
    private static func putAside(_ folder: String) throws(LocalStateError) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        var buffer = [CChar](repeating: 0, count: 40)
        strftime(&buffer, buffer.count, "%Y-%m-%dT%H%M%SZ", &parts)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let name = folder + "/damaged-\(text)-\(now.tv_nsec)"
        guard mkdir(name, 0o700) == 0 else { throw .system(errno, name, "mkdir") }
        for part in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "blobs"] {
            guard rename(folder + "/" + part, name + "/" + part) == 0 || errno == ENOENT else {
                throw .system(errno, folder + "/" + part, "rename")
            }
        }
        try StateDirectory.synchronize(folder)
        return name
    }

    private init(
        _ directory: StateDirectory, _ path: String, _ options: Options, _ findings: inout [Finding], _ logger: Logger
    ) throws(LocalStateError) {
        self.directory = directory
        let database = try SQLiteDatabase(path)
        try JournalSchema.prepare(database)
        try StateDirectory.synchronize(directory.path)
        let contents = try database.query(
            "SELECT id, length, checksums, bytes IS NOT NULL FROM contents", [],
            { (id: $0.integer(0), length: $0.integer(1), checksums: $0.blob(2), isInline: $0.integer(3) != 0) })
        var loaded = State()
        try Self.load(&loaded, from: database, &findings)
        commits = try GroupCommit(database)
        shelf = try ContentShelf(
            blobs: BlobFolder(directory.path + "/blobs"), database: path, commits: commits,
            minimumFree: options.minimumFree, maximumBytes: options.maximumBytes)
        for id in try shelf.load(contents) {
            findings.append(Finding(description: "content \(id) of the journal is gone from the disk or cut short"))
        }
        for record in loaded.kept.values { shelf.retain(record.pieces.contents) }
        // From the start on, whoever takes them: a kept content that is dropped may share its bytes with an intent.
        for row in loaded.intents {
            if let intent = Intent(id: row.id, key: row.key, decoding: row.record) {
                shelf.retain(intent.pieces.contents)
            }
        }
        state = Mutex(loaded)
        self.findings = findings
        for finding in findings { logger.error("\(finding)") }
    }

    private static func load(_ state: inout State, from database: SQLiteDatabase, _ findings: inout [Finding])
        throws(LocalStateError)
    {
        let uploads = try database.query(
            "SELECT key, upload, began FROM uploads", [],
            { (MultipartUpload(key: ObjectKey($0.text(0)), id: $0.text(1)), $0.integer(2)) })
        for (upload, began) in uploads { state.uploads[upload] = began }
        let renames = try database.query("SELECT id, source, target, phase FROM renames", [], DirectoryRename.init)
        for rename in renames { state.renames[rename.id] = rename }
        for exchange in try KeyExchange.all(in: database) { state.exchanges[exchange.id] = exchange }
        state.hidden = Set(try database.query("SELECT key FROM hidden", [], { ObjectKey($0.text(0)) }))
        let kept = try database.query(
            "SELECT id, key, record FROM kept", [], { ($0.integer(0), ObjectKey($0.text(1)), $0.blob(2)) })
        for (id, key, record) in kept {
            if let record = KeptRecord(id: id, key: key, decoding: record) {
                state.kept[id] = record
            } else {
                findings.append(Finding(description: "kept content \(id) of \"\(key)\" cannot be read"))
            }
        }
        state.intents = try database.query(
            "SELECT id, key, record FROM intents ORDER BY id", [],
            { (id: $0.integer(0), key: $0.text(1), record: $0.blob(2)) })
        let last =
            [
                state.renames.keys.max() ?? 0, state.exchanges.keys.max() ?? 0, kept.map(\.0).max() ?? 0,
                state.intents.last?.id ?? 0,
            ].max() ?? 0
        state.nextID = last + 1
    }

    /// Drops contents that nothing names. To be called once all that name contents have been loaded; the write-back store does
    /// it itself. Where there is none (strict mode) and intents are left from an earlier write-back mount, nothing is dropped.
    public func sweep() {
        if state.withLock({ $0.intents.isEmpty }) { shelf.sweep() }
    }

    /// How many intents an earlier mount has left to be uploaded: a strict mount says so, and leaves them to
    /// ``WriteBackStore``.
    public var intentsLeft: Int { state.withLock { $0.intents.count } }

    /// Makes a change durable.
    func change(_ change: @escaping GroupCommit.Change) async throws(LocalStateError) { try await commits.run(change) }

    /// Ends all work and gives the directory up. What is queued is finished; later calls throw `closed`. Blocks until then.
    public func close() { end(isAbrupt: false) }

    /// Ends as a killed process does: what is not durable yet never becomes so. For tests.
    func abandon() { end(isAbrupt: true) }

    private func end(isAbrupt: Bool) {
        commits.stop(isAbrupt: isAbrupt)
        shelf.stop()
        directory.close()
    }
}
