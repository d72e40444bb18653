internal import ObjectStore

/// The XML that is sent.
enum RequestDocuments {
    /// The body of CompleteMultipartUpload.
    static func complete(_ parts: [UploadedPart]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(128 + parts.count * 128)
        append(#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#, to: &output)
        for part in parts {
            append("<Part><PartNumber>\(part.number)</PartNumber><ETag>", to: &output)
            appendEscaped(part.etag.quoted, to: &output)
            append("</ETag>", to: &output)
            if let crc32c = part.crc32c {
                append("<ChecksumCRC32C>", to: &output)
                appendEscaped(crc32c, to: &output)
                append("</ChecksumCRC32C>", to: &output)
            }
            append("</Part>", to: &output)
        }
        append("</CompleteMultipartUpload>", to: &output)
        return output
    }

    /// The body of DeleteObjects, in quiet mode: the answer names only what was not deleted.
    static func delete(_ keys: [ObjectKey]) -> [UInt8] {
        var output: [UInt8] = []
        append(#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>"#, to: &output)
        for key in keys {
            append("<Object><Key>", to: &output)
            appendEscaped(key.string, to: &output)
            append("</Key></Object>", to: &output)
        }
        append("</Delete>", to: &output)
        return output
    }

    /// Whether XML 1.0 can say the text at all: it has no way to write most control characters, nor U+FFFE and U+FFFF.
    static func canCarry(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 9, 10, 13, 0x20...0xFFFD, 0x10000...: true
            default: false
            }
        }
    }

    private static func append(_ text: String, to output: inout [UInt8]) { output.append(contentsOf: text.utf8) }

    /// Markup as entities, and line ends and tabs as references: a parser would turn CR into LF otherwise.
    static func appendEscaped(_ text: String, to output: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): append("&amp;", to: &output)
            case UInt8(ascii: "<"): append("&lt;", to: &output)
            case UInt8(ascii: ">"): append("&gt;", to: &output)
            case UInt8(ascii: "\""): append("&quot;", to: &output)
            case 9: append("&#x9;", to: &output)
            case 10: append("&#xA;", to: &output)
            case 13: append("&#xD;", to: &output)
            default: output.append(byte)
            }
        }
    }
}
