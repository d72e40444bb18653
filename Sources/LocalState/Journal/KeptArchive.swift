public import ObjectStore

#if canImport(Glibc)
    import Glibc
#endif

/// A reader of what a journal keeps for a person, beside the process that owns the journal.
///
/// **Problem.** Content that could not be stored has to be reachable today: while the mount goes on, and when there is none.
///
/// **Design.** Only reads: a connection of its own to the database, which SQLite lets be next to the writer, and the blobs, which
/// nobody changes. So it needs no lock, and no help of the mount. Every byte is verified before it is handed out.
///
/// **Limits.** What is dropped meanwhile cannot be read to its end, which is told as damage. Not thread-safe.
public final class KeptArchive {
    /// A stretch of a kept content that is not on this machine, for it was never changed here.
    public struct Gap: Sendable, Equatable {
        /// Where it lies in the content, in bytes.
        public var range: Range<Int64>
        /// The object that has it.
        public var key: ObjectKey
        /// The version of that; nil where that was not known.
        public var etag: ETag?
        /// Where it lies in that version.
        public var source: Range<Int64>
    }

    private let database: SQLiteDatabase
    private let blobs: BlobFolder
    private let records: [Int64: KeptRecord]

    /// Whether a directory holds a journal.
    public static func isJournal(_ directory: String) -> Bool { access(directory + "/journal.sqlite", R_OK) == 0 }

    /// Reads what the journal in a directory keeps now. Waits for the disk.
    /// - Throws: `io`, `damaged`, `newerFormat`.
    public init(_ directory: String) throws(LocalStateError) {
        database = try JournalSchema.reader(of: directory)
        blobs = try BlobFolder(directory + "/blobs")
        let rows = try database.query(
            "SELECT id, key, record FROM kept", [], { ($0.integer(0), ObjectKey($0.text(1)), $0.blob(2)) })
        var records: [Int64: KeptRecord] = [:]
        for (id, key, bytes) in rows {
            guard let record = KeptRecord(id: id, key: key, decoding: bytes) else {
                throw LocalStateError(.damaged, path: database.path, detail: "kept content \(id) cannot be read")
            }
            records[id] = record
        }
        self.records = records
    }

    /// All that is kept, the oldest first.
    public var kept: [KeptContent] { records.values.map(\.content).sorted { $0.id < $1.id } }

    /// Writes a kept content into an open, empty file, and makes it durable. What is not on this machine is left as a hole.
    /// - Returns: the holes; nil where no content has this number.
    /// - Throws: `damaged` where a byte is not what was kept, `diskFull`, `io`.
    public func write(_ id: Int64, to descriptor: Int32) throws(LocalStateError) -> [Gap]? {
        guard let record = records[id] else { return nil }
        var gaps: [Gap] = []
        var position: Int64 = 0
        for piece in record.pieces {
            switch piece {
            case .local(let content, let range): try write(content, range, to: descriptor, at: position)
            case .stored(let key, let etag, let range):
                gaps.append(Gap(range: position..<position + piece.count, key: key, etag: etag, source: range))
            case .pending(_, let key, let range):
                gaps.append(Gap(range: position..<position + piece.count, key: key, etag: nil, source: range))
            }
            position += piece.count
        }
        guard ftruncate(descriptor, off_t(position)) == 0 else { throw .system(errno, "the new file", "ftruncate") }
        guard fsync(descriptor) == 0 else { throw .system(errno, "the new file", "fsync") }
        return gaps
    }

    private func write(_ content: Int64, _ range: Range<Int64>, to descriptor: Int32, at position: Int64)
        throws(LocalStateError)
    {
        let rows = try database.query(
            "SELECT length, checksums, bytes FROM contents WHERE id = ?", [.integer(content)],
            { ($0.integer(0), BlockChecksums(decoding: $0.blob(1)), $0.isNull(2) ? nil : $0.blob(2)) })
        guard let (length, sums, inline) = rows.first, range.upperBound <= length else {
            throw LocalStateError(.damaged, path: database.path, detail: "content \(content) is gone")
        }
        if let inline {
            guard inline.count == Int(length), inline.withUnsafeBytes({ sums.matches($0, index: 0) }) else {
                throw LocalStateError(.damaged, path: database.path, detail: "content \(content) fails its checksum")
            }
            return try Self.write(inline[Int(range.lowerBound)..<Int(range.upperBound)], to: descriptor, at: position)
        }
        let size = Int64(BlockChecksums.blockSize)
        var block = [UInt8](repeating: 0, count: BlockChecksums.blockSize)
        for index in range.lowerBound / size..<(range.upperBound + size - 1) / size {
            var failure: LocalStateError?
            let count = block.withUnsafeMutableBytes { buffer in
                do throws(LocalStateError) {
                    return try blobs.read(content, block: Int(index), length: length, sums, into: buffer)
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            let part = range.clamped(to: index * size..<index * size + Int64(count))
            try Self.write(
                block[Int(part.lowerBound - index * size)..<Int(part.upperBound - index * size)], to: descriptor,
                at: position + part.lowerBound - range.lowerBound)
        }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32, at position: Int64)
        throws(LocalStateError)
    {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress! + done, $0.count - done, off_t(position) + off_t(done))
            }
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                throw .system(errno, "the new file", "write")
            }
        }
    }
}
