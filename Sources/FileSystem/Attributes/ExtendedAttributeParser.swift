/// Reads the JSON in `x-amz-meta-xattr`: an object whose values are strings of base64.
///
/// Proper JSON is tried first. What is none is tried as s3fs writes it, with names unescaped: there the end of a name is known
/// by what must follow it, `":"`, base64, and `",` or the end, because base64 holds none of these.
enum ExtendedAttributeParser {
    /// The attributes in the order of the text; nil where it has neither form.
    static func parse(_ json: [UInt8]) -> [ExtendedAttributes.Entry]? {
        var parser = Proper(bytes: json)
        return parser.object() ?? unescaped(json)
    }

    private struct Proper {
        let bytes: [UInt8]
        var position = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func object() -> [ExtendedAttributes.Entry]? {
            var entries: [ExtendedAttributes.Entry] = []
            guard take(UInt8(ascii: "{")) else { return nil }
            if !take(UInt8(ascii: "}")) {
                repeat {
                    guard let name = string(), take(UInt8(ascii: ":")), let text = string(),
                        let value = Base64.decode(Array(text.utf8)), !name.isEmpty
                    else { return nil }
                    entries.append(.init(name: name, value: value))
                } while take(UInt8(ascii: ","))
                guard take(UInt8(ascii: "}")) else { return nil }
            }
            skipSpace()
            return position == bytes.count ? entries : nil
        }

        private mutating func skipSpace() {
            while position < bytes.count, StoredNumber.isSpace(bytes[position]) { position += 1 }
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            skipSpace()
            guard position < bytes.count, bytes[position] == byte else { return false }
            position += 1
            return true
        }

        private mutating func string() -> String? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            var text: [UInt8] = []
            while position < bytes.count {
                let byte = bytes[position]
                position += 1
                switch byte {
                case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard escape(into: &text) else { return nil }
                default: text.append(byte)
                }
            }
            return nil
        }

        private mutating func escape(into text: inout [UInt8]) -> Bool {
            guard position < bytes.count else { return false }
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                guard var code = unit() else { return false }
                if (0xD800..<0xDC00).contains(code) {
                    guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                        bytes[position + 1] == UInt8(ascii: "u")
                    else { return false }
                    position += 2
                    guard let low = unit(), (0xDC00..<0xE000).contains(low) else { return false }
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                }
                guard let scalar = Unicode.Scalar(code) else { return false }
                text += Array(String(Character(scalar)).utf8)
            default: return false
            }
            return true
        }

        private mutating func unit() -> UInt32? {
            guard position + 4 <= bytes.count else { return nil }
            var code: UInt32 = 0
            for byte in bytes[position..<position + 4] {
                guard let digit = StoredNumber.value(of: byte) else { return nil }
                code = code << 4 | UInt32(digit)
            }
            position += 4
            return code
        }
    }

    private static func unescaped(_ json: [UInt8]) -> [ExtendedAttributes.Entry]? {
        let quote = UInt8(ascii: "\"")
        guard json.first == UInt8(ascii: "{"), json.last == UInt8(ascii: "}") else { return nil }
        let end = json.count - 1
        var entries: [ExtendedAttributes.Entry] = []
        var position = 1
        while true {
            guard position < end, json[position] == quote else { return nil }
            let start = position + 1
            guard let (name, value, next) = pair(json, from: start, to: end) else { return nil }
            entries.append(.init(name: name, value: value))
            if next == end { return entries }
            guard json[next] == UInt8(ascii: ",") else { return nil }
            position = next + 1
        }
    }

    /// The name that begins at `start`, its value, and where what follows begins: a comma or `end`.
    private static func pair(_ json: [UInt8], from start: Int, to end: Int) -> (String, [UInt8], Int)? {
        let quote = UInt8(ascii: "\"")
        var index = start + 1
        while index + 2 < end {
            defer { index += 1 }
            guard json[index] == quote, json[index + 1] == UInt8(ascii: ":"), json[index + 2] == quote else { continue }
            var close = index + 3
            while close < end, Base64.isDigit(json[close]) || json[close] == UInt8(ascii: "=") { close += 1 }
            guard close < end, json[close] == quote,
                close + 1 == end || (json[close + 1] == UInt8(ascii: ",") && json[close + 2] == quote),
                let value = Base64.decode(json[index + 3..<close]),
                let name = String(validating: json[start..<index], as: UTF8.self)
            else { continue }
            return (name, value, close + 1)
        }
        return nil
    }
}
