public import Logging
internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Blocks of objects on this machine's disk, so that what was read once is not fetched again, also by the next mount.
///
/// **Problem.** Memory holds what is read now. A data set that is read over and over comes through the network each time.
///
/// **Design.** One file a block (``BlockFile``), named after the object, its ETag and the block's number: another version of the
/// object has other names, so nothing is ever stale, and what is never asked for again goes as the least recently used
/// (``BlockIndex``). Files are written beside the reader, by threads of their own, and renamed into place; nothing is synced, for what a
/// crash tears is told by its checksum. Where the writers fall behind, blocks are not kept rather than held in memory.
///
/// **Bounds.** The files' bytes never exceed the limit; below ``DiskShare/minimumFree`` of free disk nothing is
/// written, and old blocks go. 8 MiB of memory for blocks to be written, some 150 bytes a block for the index.
///
/// **Limits.** One process a directory. Blocks that are read in part only are not kept.
public final class BlockCache: Sendable {
    /// How much of the disk it may use.
    public typealias Options = DiskShare

    /// How often blocks were here and were not, since the start.
    public struct Counts: Sendable, Equatable {
        /// Blocks served from here.
        public var hits = 0
        /// Blocks fetched.
        public var misses = 0
        /// Files that were not what they should be.
        public var damaged = 0
        /// Bytes kept now.
        public var bytes: Int64 = 0
    }

    /// What a block tells of its object.
    struct ObjectFacts: Sendable, Equatable {
        var size: Int64
        /// In whole seconds.
        var lastModified: Timestamp
    }

    /// A block as it was read back.
    struct Block: Sendable {
        var object: ObjectFacts
        fileprivate var file: [UInt8]
        fileprivate var payload: Range<Int>

        /// The block's bytes.
        func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
            file.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[payload])) }
        }
    }

    private struct State {
        var index = BlockIndex()
        var counts = Counts()
        var writing = 0
        /// Bytes that are being written.
        var reserved: Int64 = 0
        var temporary: UInt64 = 0
    }

    /// What the names of files begin with that are being written.
    static let temporaryPrefix = "new-"

    private static let mostWriting = 32
    /// A file's time is moved at most this often, in seconds: it orders the blocks for the next start.
    private static let touchInterval = 600

    private let folder: String
    private let options: Options
    private let logger: Logger
    private let state = Mutex(State())
    private let readers: WorkerThreads<@Sendable () -> Void>
    private let writers: WorkerThreads<@Sendable () -> Void>

    /// Opens the cache in `folder`, which is made where it is not there. What is in it is looked through in the background.
    /// - Throws: `io`, `diskFull`.
    public init(_ folder: String, options: Options, logger: Logger = Logger(label: "pail.cache"))
        throws(LocalStateError)
    {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .system(errno, folder, "mkdir") }
        self.folder = folder
        self.options = options
        self.logger = logger
        readers = WorkerThreads { for job in $0 { job() } }
        writers = WorkerThreads { for job in $0 { job() } }
        try readers.start(4)
        try writers.start(2)
        _ = writers.enqueue { [self] in loadIndex() }
    }

    /// Ends the threads; blocks that are not written yet are dropped. Blocks until what is under way is done.
    /// - Parameter isRemoved: whether all that is kept is removed.
    public func close(removing isRemoved: Bool = false) {
        _ = writers.stop()
        // Somebody waits for each of these.
        for job in readers.stop() { job() }
        if isRemoved { remove(state.withLock { $0.index.shrink(to: 0) }) }
    }

    /// How it does.
    public var counts: Counts {
        state.withLock { state in
            var counts = state.counts
            counts.bytes = state.index.bytes
            return counts
        }
    }

    // MARK: Reading

    /// A block, verified; nil where it is not here. One open, fstat and read; no request.
    func read(_ id: BlockID) async -> Block? {
        await withCheckedContinuation { continuation in
            let job: @Sendable () -> Void = { [self] in continuation.resume(returning: load(id)) }
            if !readers.enqueue(job) { continuation.resume(returning: nil) }
        }
    }

    private func load(_ id: BlockID) -> Block? {
        let name = id.fileName
        let path = folder + "/" + name
        guard let file = contents(of: path) else {
            // Not out of the index: a writer may be putting it there just now.
            state.withLock { $0.counts.misses += 1 }
            return nil
        }
        guard let (object, payload) = file.withUnsafeBytes({ BlockFile.parse($0, as: id) }) else {
            // Torn, damaged, or another block's: it makes way.
            unlink(path)
            state.withLock { state in
                state.counts.damaged += 1
                state.counts.misses += 1
                state.index.remove(name)
            }
            return nil
        }
        state.withLock { state in
            state.counts.hits += 1
            state.index.touch(name)
        }
        return Block(object: object, file: file, payload: payload)
    }

    private func contents(of path: String) -> [UInt8]? {
        Self.contents(of: path) { descriptor, status in
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            if now.tv_sec - status.st_mtim.tv_sec > Self.touchInterval { futimens(descriptor, nil) }
        }
    }

    /// A block's file, whole; nil where there is none, or it is larger than any block.
    static func contents(of path: String, _ note: (Int32, stat) -> Void = { _, _ in }) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0, status.st_size <= 2 * BlockID.size else {
            return nil
        }
        note(descriptor, status)
        let size = Int(status.st_size)
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let got = Glibc.read(descriptor, buffer.baseAddress! + count, size - count)
                if got == 0 || (got < 0 && errno != EINTR) { break }
                count += max(0, got)
            }
        }
    }

    // MARK: Writing

    /// Keeps a block, in its own time, if there is room. The bytes are the block's, all of them.
    func store(_ id: BlockID, of object: ObjectFacts, _ bytes: [UInt8]) {
        let number: UInt64? = state.withLock { state in
            guard state.writing < Self.mostWriting else { return nil }
            state.writing += 1
            state.temporary += 1
            return state.temporary
        }
        guard let number else { return }
        let isQueued = writers.enqueue { [self] in
            write(id, object, bytes, temporary: folder + "/\(Self.temporaryPrefix)\(number)")
            state.withLock { $0.writing -= 1 }
        }
        if !isQueued { state.withLock { $0.writing -= 1 } }
    }

    private func write(_ id: BlockID, _ object: ObjectFacts, _ bytes: [UInt8], temporary: String) {
        let head = bytes.withUnsafeBytes { BlockFile.head(of: id, object, bytes: $0) }
        let size = Int64(head.count + bytes.count)
        guard size <= options.limit else { return }
        guard options.hasRoom(for: BlockID.size, at: folder) else {
            // Others need the disk: the oldest blocks go.
            return remove(
                state.withLock { state in state.index.shrink(to: max(0, state.index.bytes - 8 * BlockID.size)) })
        }
        let gone = state.withLock { state in
            state.reserved += size
            return state.index.shrink(to: max(0, options.limit - state.reserved))
        }
        remove(gone)
        let isKept = keep(head, bytes, as: id.fileName, temporary)
        state.withLock { state in
            state.reserved -= size
            if isKept { state.index.add(id.fileName, bytes: size) }
        }
    }

    private func keep(_ head: [UInt8], _ bytes: [UInt8], as name: String, _ temporary: String) -> Bool {
        let path = folder + "/" + name
        guard put(head, bytes, into: temporary) else { return false }
        if rename(temporary, path) == 0 { return true }
        mkdir(folder + "/" + name.prefix(2), 0o700)
        if rename(temporary, path) == 0 { return true }
        unlink(temporary)
        return false
    }

    private func put(_ head: [UInt8], _ bytes: [UInt8], into path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        for part in [head, bytes] {
            var done = 0
            while done < part.count {
                let count = part.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, part.count - done) }
                if count == 0 || (count < 0 && errno != EINTR) {
                    unlink(path)
                    return false
                }
                done += max(0, count)
            }
        }
        return true
    }

    private func remove(_ names: [String]) {
        for name in names { unlink(folder + "/" + name) }
    }

    // MARK: The start

    /// Finds what an earlier mount has left, the oldest first, and makes it fit.
    private func loadIndex() {
        var found: [(name: String, bytes: Int64, time: Int)] = []
        for entry in FolderNames.all(in: folder) {
            if entry.utf8.starts(with: Self.temporaryPrefix.utf8) {
                unlink(folder + "/" + entry)
                continue
            }
            for file in FolderNames.all(in: folder + "/" + entry) {
                var status = stat()
                let name = entry + "/" + file
                guard lstat(folder + "/" + name, &status) == 0 else { continue }
                found.append((name, Int64(status.st_size), status.st_mtim.tv_sec))
            }
        }
        found.sort { $0.time < $1.time }
        let gone = state.withLock { state in
            // What has been written meanwhile is newer, and stays so.
            for file in found where !state.index.contains(file.name) { state.index.add(file.name, bytes: file.bytes) }
            return state.index.shrink(to: options.limit)
        }
        remove(gone)
        logger.debug("\(found.count) blocks of earlier mounts are on the disk")
    }
}
