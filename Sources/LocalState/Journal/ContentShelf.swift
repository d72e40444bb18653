internal import ObjectStore
import Synchronization

/// The bytes that are kept on this machine: small ones inside the database, large ones in files, each content under a number.
///
/// **Problem.** A small file must cost one fsync in all; a large one must not pass through the database. Several intents share
/// one content (a rename moves no data), and what is read back after a crash or a failing disk must be what was written.
///
/// **Design.** Contents up to ``inlineLimit`` lie in their row, so that the transaction which names them makes them durable.
/// Larger ones are files (``BlobFolder``). A content is made with one reference; when the last is given back, row and file
/// go. Both are verified by ``BlockChecksums`` at each reading. The newest small contents stay in memory as well, up to
/// ``memoryLimit``, so that what is uploaded at once is not read back.
///
/// **Limits.** The table of contents is in memory: some 100 bytes each.
final class ContentShelf: Sendable {
    /// A content that is written, and not named by a row yet.
    struct Staged: Sendable {
        var id: Int64
        var length: Int64
        var checksums: BlockChecksums
        /// The bytes; nil where they are in a file.
        var inline: [UInt8]?
    }

    struct Entry: Sendable {
        var length: Int64
        var checksums: BlockChecksums
        var isInline: Bool
        var references: Int
        /// Set at the start, where the file is gone or cut short.
        var isDamaged = false
    }

    private struct State {
        var entries: [Int64: Entry] = [:]
        var nextID: Int64 = 1
        var bytes: Int64 = 0
        var recent: [Int64: [UInt8]] = [:]
        var recentOrder: [Int64] = []
        var recentBytes = 0
    }

    /// The reader's connection, which only its thread touches while it runs.
    private struct Connection: @unchecked Sendable {
        let database: SQLiteDatabase
    }

    static let inlineLimit: Int64 = 64 << 10
    private static let memoryLimit = 8 << 20

    let blobs: BlobFolder
    private let minimumFree: Int64
    private let maximumBytes: Int64
    private let commits: GroupCommit
    private let disk: WorkerThreads<@Sendable () -> Void>
    private let reader: WorkerThreads<@Sendable (SQLiteDatabase) -> Void>
    private let connection: Connection
    private let state = Mutex(State())

    init(
        blobs: BlobFolder, database path: String, commits: GroupCommit, minimumFree: Int64, maximumBytes: Int64
    ) throws(LocalStateError) {
        self.blobs = blobs
        self.commits = commits
        self.minimumFree = minimumFree
        self.maximumBytes = maximumBytes
        disk = WorkerThreads { for job in $0 { job() } }
        let connection = Connection(database: try SQLiteDatabase(path, readOnly: true))
        self.connection = connection
        reader = WorkerThreads(batch: 64) { for job in $0 { job(connection.database) } }
        try disk.start(3)
        try reader.start(1)
    }

    func stop() {
        // What was queued still runs here: somebody waits for each.
        for job in disk.stop() { job() }
        for job in reader.stop() { job(connection.database) }
        connection.database.close()
    }

    /// Bytes kept.
    var bytes: Int64 { state.withLock { $0.bytes } }

    // MARK: Loading

    /// Takes in what the database holds; the references are counted by ``retain(_:)``, and ``sweep()`` ends it.
    func load(_ rows: [(id: Int64, length: Int64, checksums: [UInt8], isInline: Bool)]) throws(LocalStateError)
        -> [Int64]
    {
        var damaged: [Int64] = []
        let files = try blobs.all()
        for row in rows {
            var entry = Entry(
                length: row.length, checksums: BlockChecksums(decoding: row.checksums), isInline: row.isInline,
                references: 0)
            if !row.isInline, blobs.size(row.id) != row.length {
                entry.isDamaged = true
                damaged.append(row.id)
            }
            state.withLock {
                $0.entries[row.id] = entry
                $0.bytes += row.length
            }
        }
        let known = Set(rows.map(\.id))
        for file in files where !known.contains(file) { blobs.remove(file) }
        let next = max(known.max() ?? 0, files.max() ?? 0) + 1
        state.withLock { $0.nextID = next }
        return damaged
    }

    /// Drops what nobody names.
    func sweep() {
        let left = state.withLock { state in state.entries.filter { $0.value.references == 0 }.map(\.key) }
        drop(left)
    }

    // MARK: Writing

    /// Keeps a body: in memory up to the inline limit, else in a file. The caller has one reference.
    ///
    /// Nothing is durable before ``synchronize(_:)`` and a transaction with ``insert(_:into:)``.
    /// - Throws: `diskFull` where the disk, what is to stay free of it, or the cap has no room.
    func stage(_ body: any RequestBody) async throws(LocalStateError) -> Staged {
        let length = body.length
        try reserve(length)
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        do throws(LocalStateError) {
            let staged = try await write(id, body, length)
            state.withLock { state in
                state.entries[id] = Entry(
                    length: length, checksums: staged.checksums, isInline: staged.inline != nil, references: 1)
                if let inline = staged.inline { Self.remember(id, inline, in: &state) }
            }
            return staged
        } catch {
            state.withLock { $0.bytes -= length }
            throw error
        }
    }

    private func reserve(_ length: Int64) throws(LocalStateError) {
        let fits = state.withLock { state in
            guard state.bytes + length <= maximumBytes else { return false }
            state.bytes += length
            return true
        }
        guard fits else {
            throw LocalStateError(.diskFull, path: blobs.path, detail: "the most bytes to keep are reached")
        }
        guard blobs.freeSpace - length >= minimumFree else {
            state.withLock { $0.bytes -= length }
            throw LocalStateError(.diskFull, path: blobs.path, detail: "less than is to stay free would be left")
        }
    }

    private func write(_ id: Int64, _ body: any RequestBody, _ length: Int64) async throws(LocalStateError) -> Staged {
        guard length <= Self.inlineLimit else {
            let sums = try await onDisk { [blobs] () throws(LocalStateError) in try blobs.write(id, body) }
            return Staged(id: id, length: length, checksums: sums, inline: nil)
        }
        var bytes = [UInt8](repeating: 0, count: Int(length))
        var failure: LocalStateError?
        var sums = BlockChecksums()
        bytes.withUnsafeMutableBytes { buffer in
            do throws(LocalStateError) {
                try BlobFolder.fill(buffer, from: body, at: 0, blobs.path)
            } catch {
                failure = error
            }
            sums.append(UnsafeRawBufferPointer(buffer))
        }
        if let failure { throw failure }
        return Staged(id: id, length: length, checksums: sums, inline: bytes)
    }

    private static func remember(_ id: Int64, _ bytes: [UInt8], in state: inout State) {
        state.recent[id] = bytes
        state.recentOrder.append(id)
        state.recentBytes += bytes.count
        var dropped = 0
        while state.recentBytes > memoryLimit, dropped < state.recentOrder.count {
            forget(state.recentOrder[dropped], in: &state)
            dropped += 1
        }
        // The order holds numbers of what is gone as well: cleared now and then, not each time.
        if dropped > 0 || state.recentOrder.count > 2 * state.recent.count + 1024 {
            state.recentOrder.removeFirst(dropped)
            let recent = state.recent
            state.recentOrder.removeAll { recent[$0] == nil }
        }
    }

    private static func forget(_ id: Int64, in state: inout State) {
        if let bytes = state.recent.removeValue(forKey: id) { state.recentBytes -= bytes.count }
    }

    /// Makes files durable: to be called before the transaction that names them. Costs nothing for inline contents.
    func synchronize(_ ids: [Int64]) async throws(LocalStateError) {
        let files = state.withLock { state in ids.filter { !(state.entries[$0]?.isInline ?? true) } }
        if files.isEmpty { return }
        try await onDisk { [blobs] () throws(LocalStateError) in try blobs.synchronize(files) }
    }

    /// Puts a content's row into a transaction.
    static func insert(_ staged: Staged, into database: SQLiteDatabase) throws(LocalStateError) {
        try database.run(
            "INSERT INTO contents (id, length, checksums, bytes) VALUES (?, ?, ?, ?)",
            [
                .integer(staged.id), .integer(staged.length), .blob(staged.checksums.encoded),
                staged.inline.map { .blob($0) } ?? .null,
            ])
    }

    // MARK: References

    /// One reference more to each.
    func retain(_ ids: [Int64]) {
        state.withLock { state in
            for id in ids { state.entries[id]?.references += 1 }
        }
    }

    /// Gives a reference to each back; what has none left goes, soon.
    func release(_ ids: [Int64]) {
        let gone = state.withLock { state in
            ids.filter { id in
                state.entries[id]?.references -= 1
                return state.entries[id]?.references == 0
            }
        }
        drop(gone)
    }

    private func drop(_ ids: [Int64]) {
        if ids.isEmpty { return }
        let files: [Int64] = state.withLock { state in
            var files: [Int64] = []
            for id in ids {
                guard let entry = state.entries.removeValue(forKey: id) else { continue }
                state.bytes -= entry.length
                if !entry.isInline { files.append(id) }
                Self.forget(id, in: &state)
            }
            return files
        }
        let blobs = blobs
        commits.enqueue(
            { database throws(LocalStateError) in
                for id in ids { try database.run("DELETE FROM contents WHERE id = ?", [.integer(id)]) }
            }, isRelaxed: true
        ) { result in
            // Where the row stays, the file has to.
            if case .success = result { for file in files { blobs.remove(file) } }
        }
    }

    // MARK: Reading

    func entry(_ id: Int64) -> Entry? { state.withLock { $0.entries[id] } }

    /// A small content's bytes, verified: from memory, else from the database.
    func inlineBytes(_ id: Int64) async throws(LocalStateError) -> [UInt8] {
        let (recent, entry) = state.withLock { ($0.recent[id], $0.entries[id]) }
        if let recent { return recent }
        guard let entry else { throw gone(id) }
        let result: Result<[UInt8], LocalStateError> = await withCheckedContinuation { continuation in
            let isQueued = reader.enqueue { database in
                do throws(LocalStateError) {
                    let rows = try database.query(
                        "SELECT bytes FROM contents WHERE id = ?", [.integer(id)], { $0.blob(0) })
                    guard let bytes = rows.first else { throw self.gone(id) }
                    guard bytes.count == Int(entry.length),
                        bytes.withUnsafeBytes({ entry.checksums.matches($0, index: 0) })
                    else {
                        throw LocalStateError(.damaged, path: database.path, detail: "content \(id) fails its checksum")
                    }
                    continuation.resume(returning: .success(bytes))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            if !isQueued { continuation.resume(returning: .failure(LocalStateError(.closed, path: blobs.path))) }
        }
        return try result.get()
    }

    private func gone(_ id: Int64) -> LocalStateError {
        LocalStateError(.damaged, path: blobs.path, detail: "content \(id) is gone")
    }

    /// Runs a piece of work that waits for the disk.
    func onDisk<T: Sendable>(_ work: @escaping @Sendable () throws(LocalStateError) -> T) async throws(LocalStateError)
        -> T
    {
        let result: Result<T, LocalStateError> = await withCheckedContinuation { continuation in
            let isQueued = disk.enqueue {
                do throws(LocalStateError) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            if !isQueued { continuation.resume(returning: .failure(LocalStateError(.closed, path: blobs.path))) }
        }
        return try result.get()
    }
}
