import Glibc

/// Byte order of texts: what S3 sorts keys by. By `memcmp`, because unoptimised test builds compare millions of keys.
enum UTF8Order {
    /// Whether the bytes of `a` come before those of `b`.
    static func precedes(_ a: String, _ b: String) -> Bool {
        withBytes(a, b) { a, b in
            let shared = min(a.count, b.count)
            let order = shared == 0 ? 0 : memcmp(a.baseAddress!, b.baseAddress!, shared)
            return order < 0 || (order == 0 && a.count < b.count)
        }
    }

    /// Whether both have the same bytes.
    static func equal(_ a: String, _ b: String) -> Bool {
        withBytes(a, b) { a, b in
            a.count == b.count && (a.isEmpty || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0)
        }
    }

    /// Whether the bytes of `text` begin with those of `prefix`.
    static func begins(_ text: String, with prefix: String) -> Bool {
        withBytes(text, prefix) { text, prefix in
            text.count >= prefix.count
                && (prefix.isEmpty || memcmp(text.baseAddress!, prefix.baseAddress!, prefix.count) == 0)
        }
    }

    /// The text up to and with the first `delimiter` after the first `skipped` bytes; nil where there is none.
    static func fold(_ text: String, after skipped: Int, at delimiter: String) -> String? {
        var text = text
        var delimiter = delimiter
        return text.withUTF8 { bytes -> String? in
            delimiter.withUTF8 { mark -> String? in
                guard let first = mark.first else { return nil }
                var offset = skipped
                while offset + mark.count <= bytes.count {
                    // memchr finds the delimiter's first byte; memcmp decides.
                    let here = bytes.baseAddress! + offset
                    guard let found = memchr(here, Int32(first), bytes.count - offset - mark.count + 1) else {
                        return nil
                    }
                    offset += UnsafeRawPointer(found) - UnsafeRawPointer(here)
                    let end = offset + mark.count
                    if memcmp(bytes.baseAddress! + offset, mark.baseAddress!, mark.count) == 0 {
                        return String(decoding: UnsafeBufferPointer(rebasing: bytes[..<end]), as: UTF8.self)
                    }
                    offset += 1
                }
                return nil
            }
        }
    }

    private static func withBytes(
        _ a: String, _ b: String, _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Bool
    ) -> Bool {
        var a = a
        var b = b
        return a.withUTF8 { a in b.withUTF8 { b in body(a, b) } }
    }
}
