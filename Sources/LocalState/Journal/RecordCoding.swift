internal import ObjectStore

/// Writes values into a column of bytes: numbers of fixed width, texts and lists with their length in front.
///
/// Not JSON: metadata are arbitrary text, and a decoder of forty lines that checks every bound is easier to trust with a
/// journal than a library's notion of what a number is.
struct RecordWriter {
    private(set) var bytes: [UInt8] = []

    /// The bytes with a checksum behind them, over these and the rest of the row: a disk that has changed a record must not make another
    /// promise of it.
    func sealed(id: Int64, key: ObjectKey) -> [UInt8] {
        bytes + RecordSeal.sum(bytes[...], id: id, key: key.string)
    }

    mutating func write(_ number: Int64) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ text: String?) {
        guard let text else { return write(-1) }
        write(Int64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func write(_ range: Range<Int64>) {
        write(range.lowerBound)
        write(range.upperBound)
    }

    mutating func write(_ metadata: ObjectMetadata) {
        for text in [
            metadata.contentType, metadata.cacheControl, metadata.contentDisposition, metadata.contentEncoding,
            metadata.contentLanguage, metadata.expires, metadata.websiteRedirectLocation, metadata.storageClass,
        ] { write(text) }
        write(Int64(metadata.user.count))
        for (name, value) in metadata.user {
            write(name)
            write(value)
        }
    }
}

/// Reads what ``RecordWriter`` wrote; anything else is `Malformed`.
struct RecordReader {
    /// The bytes are not what the writer writes.
    struct Malformed: Error {}

    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// A reader of what ``RecordWriter/sealed(id:key:)`` has sealed.
    init(sealed bytes: [UInt8], id: Int64, key: String) throws(Malformed) {
        rest = bytes.dropLast(RecordSeal.length)
        guard bytes.count >= RecordSeal.length,
            RecordSeal.sum(rest, id: id, key: key).elementsEqual(bytes.suffix(RecordSeal.length))
        else { throw Malformed() }
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func number() throws(Malformed) -> Int64 {
        guard rest.count >= 8 else { throw Malformed() }
        var number: UInt64 = 0
        for (index, byte) in rest.prefix(8).enumerated() { number |= UInt64(byte) << (8 * UInt64(index)) }
        rest = rest.dropFirst(8)
        return Int64(bitPattern: number)
    }

    mutating func count() throws(Malformed) -> Int {
        let number = try number()
        guard number >= 0, number <= rest.count else { throw Malformed() }
        return Int(number)
    }

    mutating func optionalText() throws(Malformed) -> String? {
        let count = try number()
        if count == -1 { return nil }
        guard count >= 0, count <= rest.count else { throw Malformed() }
        defer { rest = rest.dropFirst(Int(count)) }
        return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
    }

    mutating func text() throws(Malformed) -> String {
        guard let text = try optionalText() else { throw Malformed() }
        return text
    }

    mutating func range() throws(Malformed) -> Range<Int64> {
        let (lower, upper) = (try number(), try number())
        guard lower >= 0, lower <= upper else { throw Malformed() }
        return lower..<upper
    }

    mutating func metadata() throws(Malformed) -> ObjectMetadata {
        var metadata = ObjectMetadata()
        metadata.contentType = try optionalText()
        metadata.cacheControl = try optionalText()
        metadata.contentDisposition = try optionalText()
        metadata.contentEncoding = try optionalText()
        metadata.contentLanguage = try optionalText()
        metadata.expires = try optionalText()
        metadata.websiteRedirectLocation = try optionalText()
        metadata.storageClass = try optionalText()
        for _ in 0..<(try count()) {
            let name = try text()
            metadata.user[name] = try text()
        }
        return metadata
    }
}

/// The checksum at the end of a row's record.
enum RecordSeal {
    /// Bytes.
    static let length = 4

    /// CRC32C of the row, least significant byte first.
    static func sum(_ record: ArraySlice<UInt8>, id: Int64, key: String) -> [UInt8] {
        var sum = CRC32C()
        withUnsafeBytes(of: id.littleEndian) { sum.update($0) }
        var key = key
        key.withUTF8 { sum.update(UnsafeRawBufferPointer($0)) }
        record.withUnsafeBytes { sum.update($0) }
        return (0..<length).map { UInt8(truncatingIfNeeded: sum.value >> UInt32(8 * $0)) }
    }
}
