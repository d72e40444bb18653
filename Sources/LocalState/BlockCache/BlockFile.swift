internal import ObjectStore

/// The form of a block on disk: whose it is, the object's size and time, the checksum of it all, then the bytes.
///
/// **Problem.** What a crash, a full disk or a failing one leaves must never be served, and nothing here is worth an fsync.
///
/// **Design.** A checksum over head and bytes, and all of the block's identity in the head: what is torn, truncated, of another
/// object or of another version is no block.
enum BlockFile {
    private static let magic: [UInt8] = Array("pailblk1".utf8)

    /// The file's bytes before the block's own.
    static func head(of id: BlockID, _ object: BlockCache.ObjectFacts, bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(id.key.string)
        writer.write(id.etag.value)
        writer.write(id.index)
        writer.write(object.size)
        writer.write(object.lastModified.seconds)
        writer.write(Int64(bytes.count))
        let record = writer.bytes
        var head = magic
        head.append(contentsOf: littleEndian(UInt32(record.count)))
        head.append(contentsOf: littleEndian(sum(record, bytes)))
        head.append(contentsOf: record)
        return head
    }

    /// Whether a file below the cache's folder is a whole block under its own name.
    static func isSound(_ file: [UInt8], named name: String) -> Bool {
        let fixed = magic.count + 8
        guard file.count >= fixed, file.starts(with: magic) else { return false }
        return file.withUnsafeBytes { bytes in
            let length = Int(number(bytes, at: magic.count))
            guard length <= file.count - fixed else { return false }
            var reader = RecordReader(Array(file[fixed..<fixed + length]))
            guard let key = try? reader.text(), let etag = try? reader.text(), let index = try? reader.number(),
                (0..<1 << 40).contains(index)
            else { return false }
            let id = BlockID(key: ObjectKey(key), etag: ETag(etag), index: index)
            return id.fileName == name && parse(bytes, as: id) != nil
        }
    }

    /// What is known of the object, and where the block's bytes lie in the file's; nil where the file is not that block, whole.
    static func parse(_ file: UnsafeRawBufferPointer, as id: BlockID) -> (
        object: BlockCache.ObjectFacts, bytes: Range<Int>
    )? {
        let fixed = magic.count + 8
        guard file.count >= fixed, file[..<magic.count].elementsEqual(magic) else { return nil }
        let length = Int(number(file, at: magic.count))
        let expected = number(file, at: magic.count + 4)
        guard length <= file.count - fixed else { return nil }
        let record = Array(file[fixed..<fixed + length])
        let start = fixed + length
        guard sum(record, UnsafeRawBufferPointer(rebasing: file[start...])) == expected else { return nil }
        var reader = RecordReader(record)
        do {
            guard try reader.text() == id.key.string, try reader.text() == id.etag.value,
                try reader.number() == id.index
            else { return nil }
            let objectSize = try reader.number()
            let lastModified = Timestamp(seconds: try reader.number())
            let count = try reader.number()
            let range = id.range.clamped(to: 0..<max(0, objectSize))
            guard count == Int64(file.count - start), count == Int64(range.count), count > 0 else { return nil }
            return (.init(size: objectSize, lastModified: lastModified), start..<file.count)
        } catch {
            return nil
        }
    }

    private static func sum(_ record: [UInt8], _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var sum = CRC32C()
        record.withUnsafeBytes { sum.update($0) }
        sum.update(bytes)
        return sum.value
    }

    private static func littleEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    private static func number(_ file: UnsafeRawBufferPointer, at start: Int) -> UInt32 {
        (0..<4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(file[start + $1]) }
    }
}
