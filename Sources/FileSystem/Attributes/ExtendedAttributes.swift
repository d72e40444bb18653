/// The extended attributes of a file, see xattr(7), and their form in `x-amz-meta-xattr`.
///
/// The form is s3fs's: a JSON object of base64 values, its names in byte order and no spaces in it, percent-encoded as a
/// path. s3fs puts names in unescaped, so that one with a `"` in it is no JSON; Pail escapes as JSON has it and reads both.
/// A name with neither `"`, `\` nor a control character has the same form in both.
///
/// What cannot be read is kept: ``unreadable(_:)`` holds the header's text, and writing gives that very text back, so that no
/// rewrite of the file loses what another tool put there.
package enum ExtendedAttributes: Sendable, Hashable {
    /// One attribute.
    package struct Entry: Sendable, Hashable {
        /// The whole name, with its namespace: `user.comment`.
        package var name: String
        /// The value.
        package var value: [UInt8]
    }

    /// Attributes in the byte order of their names, no name twice.
    case readable([Entry])
    /// The header's text, which is not in the form.
    case unreadable(String)

    /// No attributes.
    package static let none = ExtendedAttributes.readable([])

    /// Whether there is no attribute.
    package var isEmpty: Bool { self == .none }

    /// The attributes; nil where the header cannot be read: the operation then fails with `EIO`.
    package var entries: [Entry]? {
        switch self {
        case .readable(let entries): entries
        case .unreadable: nil
        }
    }

    /// The value of an attribute; nil where there is none of that name, or the header cannot be read.
    package subscript(name: String) -> [UInt8]? {
        entries?.first { Self.areEqual($0.name, name) }?.value
    }

    /// Sets an attribute, or removes it by nil. Changes nothing, and returns false, where the header cannot be read.
    package mutating func set(_ name: String, to value: [UInt8]?) -> Bool {
        guard case .readable(var entries) = self else { return false }
        Self.set(name, to: value, in: &entries)
        self = .readable(entries)
        return true
    }

    /// Attributes of the given names and values; of a name given twice, the last.
    package init(_ entries: [Entry]) {
        var ordered: [Entry] = []
        for entry in entries { Self.set(entry.name, to: entry.value, in: &ordered) }
        self = .readable(ordered)
    }

    // MARK: The header

    /// Reads the header's text; nil is "no header".
    package init(header text: String?) {
        guard let text, !text.isEmpty else {
            self = .none
            return
        }
        guard let json = PathPercentCoding.decode(text),
            let entries = ExtendedAttributeParser.parse(json)
        else {
            self = .unreadable(text)
            return
        }
        self.init(entries)
    }

    /// The header's text; nil for "no header".
    package var header: String? {
        switch self {
        case .unreadable(let text): return text
        case .readable(let entries):
            guard !entries.isEmpty else { return nil }
            var json: [UInt8] = [UInt8(ascii: "{")]
            for (index, entry) in entries.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                json.append(UInt8(ascii: "\""))
                Self.escape(entry.name, into: &json)
                json += Array("\":\"".utf8)
                json += Base64.encode(entry.value)
                json.append(UInt8(ascii: "\""))
            }
            json.append(UInt8(ascii: "}"))
            return PathPercentCoding.encode(json)
        }
    }

    private static func escape(_ name: String, into json: inout [UInt8]) {
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                json.append(UInt8(ascii: "\\"))
                json.append(byte)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                json += Array("\\u\(String(repeating: "0", count: 4 - digits.utf8.count))\(digits)".utf8)
            default: json.append(byte)
            }
        }
    }

    private static func set(_ name: String, to value: [UInt8]?, in entries: inout [Entry]) {
        let index = entries.firstIndex { !$0.name.utf8.lexicographicallyPrecedes(name.utf8) } ?? entries.endIndex
        let isThere = index < entries.endIndex && areEqual(entries[index].name, name)
        switch (isThere, value) {
        case (true, let value?): entries[index].value = value
        case (true, nil): entries.remove(at: index)
        case (false, let value?): entries.insert(Entry(name: name, value: value), at: index)
        case (false, nil): break
        }
    }

    // Byte by byte: Swift's own comparison takes canonically equivalent names for one.
    private static func areEqual(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
}
