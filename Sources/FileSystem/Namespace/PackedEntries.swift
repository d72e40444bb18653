internal import ObjectStore

/// Entries of a directory in the order of keys, packed: what a page of a listing costs in memory.
///
/// **Problem.** A directory of a million objects is known for as long as somebody walks it. As an array of ``KnownEntries/Entry``
/// each entry costs 64 bytes, a heap block for the tag and one for any name over 15 bytes: 200 MB, of which 40 are news.
///
/// **Design.** All entries lie in one block of bytes, one record behind the other, with a second block of where each begins, so
/// that a key is found by bisection and compared where it lies. An entry is made when it is asked for. A name of 20 bytes with an
/// MD5 tag takes 50 bytes in all. The value is copied on write, so that a directory stream and what is known share it.
///
/// **Limits.** An insert or a removal moves what lies behind it: ``KnownEntries`` keeps the blocks small.
struct PackedEntries: Sendable, Equatable {
    typealias Entry = KnownEntries.Entry

    /// What a record holds beside its name.
    private struct Form: OptionSet {
        let rawValue: UInt8
        static let file = Form(rawValue: 1 << 0)
        static let digest = Form(rawValue: 1 << 1)
        static let textTag = Form(rawValue: 1 << 2)
        static let parts = Form(rawValue: 1 << 3)
        static let nanoseconds = Form(rawValue: 1 << 4)
        static let longSize = Form(rawValue: 1 << 5)
        static let longSeconds = Form(rawValue: 1 << 6)
    }

    /// The records: form, length of the name, name; of a file then size, seconds, nanoseconds and tag, as the form says.
    private var bytes: [UInt8] = []
    /// Where each record begins.
    private var starts: [UInt32] = []

    /// No entries.
    init() {}

    /// Entries that are in the order of their keys.
    init(_ entries: some Collection<Entry>) {
        starts.reserveCapacity(entries.count)
        var exact: [UInt8] = []
        exact.reserveCapacity(entries.count * 64)
        for entry in entries {
            starts.append(UInt32(exact.count))
            Self.encode(entry, into: &exact)
        }
        // An array that has grown is up to twice as large as what it holds.
        bytes = Array(unsafeUninitializedCapacity: exact.count) { buffer, count in
            count = buffer.initialize(fromContentsOf: exact)
        }
    }

    /// The bytes of memory that the entries take.
    var byteCount: Int { bytes.capacity + 4 * starts.capacity }

    // MARK: Order

    /// The index of the first entry whose key is not less than `key`, or, with `afterEqual`, is greater.
    func position(of key: String, afterEqual: Bool) -> Int {
        var key = key
        return key.withUTF8 { key in
            bytes.withUnsafeBufferPointer { bytes in
                var low = 0
                var high = starts.count
                while low < high {
                    let middle = (low + high) / 2
                    let order = Self.order(of: bytes, at: Int(starts[middle]), against: key)
                    if order < 0 || (afterEqual && order == 0) { low = middle + 1 } else { high = middle }
                }
                return low
            }
        }
    }

    /// Negative where the record's key is less than `key`, 0 where it is that, positive where it is greater.
    private static func order(
        of bytes: UnsafeBufferPointer<UInt8>, at start: Int, against key: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let count = Int(bytes[start + 1])
        let isFile = Form(rawValue: bytes[start]).contains(.file)
        let length = isFile ? count : count + 1
        for index in 0..<Swift.min(length, key.count) {
            let byte = index < count ? bytes[start + 2 + index] : UInt8(ascii: "/")
            if byte != key[index] { return byte < key[index] ? -1 : 1 }
        }
        return length - key.count
    }

    /// Whether the entry's key is `key`.
    func hasKey(_ key: String, at index: Int) -> Bool {
        var key = key
        return key.withUTF8 { key in
            bytes.withUnsafeBufferPointer { Self.order(of: $0, at: Int(starts[index]), against: key) == 0 }
        }
    }

    // MARK: Changing

    /// Adds an entry at an index: where ``position(of:afterEqual:)`` puts its key.
    mutating func insert(_ entry: Entry, at index: Int) {
        var record: [UInt8] = []
        Self.encode(entry, into: &record)
        let start = index < starts.count ? Int(starts[index]) : bytes.count
        bytes.insert(contentsOf: record, at: start)
        starts.insert(UInt32(start), at: index)
        for later in (index + 1)..<starts.count { starts[later] += UInt32(record.count) }
    }

    /// Takes an entry out.
    mutating func remove(at index: Int) {
        let range = record(index)
        bytes.removeSubrange(range)
        starts.remove(at: index)
        for later in index..<starts.count { starts[later] -= UInt32(range.count) }
    }

    /// Some of the entries, in memory of their own.
    func part(_ range: Range<Int>) -> PackedEntries {
        if range == 0..<count { return self }
        var part = PackedEntries()
        guard !range.isEmpty else { return part }
        let base = starts[range.lowerBound]
        part.starts = starts[range].map { $0 - base }
        part.bytes = Array(bytes[Int(base)..<record(range.upperBound - 1).upperBound])
        return part
    }

    private func record(_ index: Int) -> Range<Int> {
        Int(starts[index])..<(index + 1 < starts.count ? Int(starts[index + 1]) : bytes.count)
    }

    // MARK: Records

    private static func encode(_ entry: Entry, into bytes: inout [UInt8]) {
        var form: Form = []
        let at = bytes.count
        bytes.append(0)
        bytes.append(UInt8(entry.name.string.utf8.count))
        bytes.append(contentsOf: entry.name.string.utf8)
        guard let object = entry.object else { return }
        form.insert(.file)
        append(object.size, to: &bytes, long: .longSize, &form)
        append(object.lastModified.seconds, to: &bytes, long: .longSeconds, &form)
        if object.lastModified.nanoseconds != 0 {
            form.insert(.nanoseconds)
            append(UInt32(bitPattern: object.lastModified.nanoseconds), to: &bytes)
        }
        if let digest = object.etag?.digest {
            form.insert(.digest)
            append(digest.high, to: &bytes)
            append(digest.low, to: &bytes)
            if digest.parts != 0 {
                form.insert(.parts)
                append(digest.parts, to: &bytes)
            }
        } else if let etag = object.etag {
            form.insert(.textTag)
            let text = etag.value.utf8
            append(UInt32(text.count), to: &bytes)
            bytes.append(contentsOf: text)
        }
        bytes[at] = form.rawValue
    }

    private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ number: Int64, to bytes: inout [UInt8], long: Form, _ form: inout Form) {
        if let short = UInt32(exactly: number) { return append(short, to: &bytes) }
        form.insert(long)
        append(number, to: &bytes)
    }

    private func decode(_ index: Int) -> Entry {
        bytes.withUnsafeBytes { bytes in
            var at = Int(starts[index])
            let form = Form(rawValue: bytes[at])
            let length = Int(bytes[at + 1])
            at += 2
            func text(_ count: Int) -> String {
                defer { at += count }
                return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[at..<at + count]), as: UTF8.self)
            }
            func number<T: FixedWidthInteger>(_ type: T.Type) -> T {
                defer { at += MemoryLayout<T>.size }
                return T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: type))
            }
            let name = FileName(checked: text(length))
            guard form.contains(.file) else { return Entry(name: name, object: nil) }
            let size = form.contains(.longSize) ? number(Int64.self) : Int64(number(UInt32.self))
            let seconds = form.contains(.longSeconds) ? number(Int64.self) : Int64(number(UInt32.self))
            let nanoseconds = form.contains(.nanoseconds) ? Int32(bitPattern: number(UInt32.self)) : 0
            var etag: ETag?
            if form.contains(.digest) {
                let (high, low) = (number(UInt64.self), number(UInt64.self))
                etag = ETag(.init(high: high, low: low, parts: form.contains(.parts) ? number(UInt16.self) : 0))
            } else if form.contains(.textTag) {
                etag = ETag(unquoted: text(Int(number(UInt32.self))))
            }
            let lastModified = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
            return Entry(name: name, object: .init(size: size, etag: etag, lastModified: lastModified))
        }
    }
}

extension PackedEntries: RandomAccessCollection, ExpressibleByArrayLiteral {
    var startIndex: Int { 0 }
    var endIndex: Int { starts.count }

    /// The entry at an index, made from its record.
    subscript(index: Int) -> Entry { decode(index) }

    init(arrayLiteral elements: Entry...) { self.init(elements) }
}
