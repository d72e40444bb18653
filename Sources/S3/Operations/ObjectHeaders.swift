internal import ObjectStore

/// An object's description in the headers of HEAD and GET, and of PUT, copy and multipart upload.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html> and
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>.
enum ObjectHeaders {
    /// What the headers of an answer say.
    /// - Parameter size: the whole object's size.
    /// - Returns: nil where the date of storing is missing or cannot be read.
    static func info(_ headers: HTTPHeaders, size: Int64) -> ObjectInfo? {
        var metadata = ObjectMetadata()
        var etag: ETag?
        var lastModified: Timestamp?
        var versionID: String?
        var isEncryptedWithKey = false
        var answered: Timestamp?
        let userPrefix = Array("x-amz-meta-".utf8)
        headers.forEach { name, value in
            let lower = String(decoding: name.map(HTTPHeaders.lowercase), as: UTF8.self)
            func text() -> String { String(decoding: value, as: UTF8.self) }
            switch lower {
            case "content-type": metadata.contentType = text()
            case "etag": etag = value.isEmpty ? nil : ETag(text())
            case "last-modified": lastModified = DateFormats.parseHTTP(text())
            case "date": answered = DateFormats.parseHTTP(text())
            case "cache-control": metadata.cacheControl = text()
            case "content-disposition": metadata.contentDisposition = text()
            case "content-encoding": metadata.contentEncoding = contentEncoding(text())
            case "content-language": metadata.contentLanguage = text()
            case "expires": metadata.expires = text()
            case "x-amz-website-redirect-location": metadata.websiteRedirectLocation = text()
            case "x-amz-storage-class": metadata.storageClass = text()
            case "x-amz-version-id": versionID = text() == "null" ? nil : text()
            case "x-amz-server-side-encryption": isEncryptedWithKey = isEncryptedWithKey || text() != "AES256"
            case "x-amz-server-side-encryption-customer-algorithm": isEncryptedWithKey = true
            default:
                if lower.utf8.starts(with: userPrefix), lower.utf8.count > userPrefix.count {
                    metadata.user[String(lower.dropFirst(userPrefix.count))] = EncodedWord.decode(text())
                }
            }
            return true
        }
        guard let lastModified else { return nil }
        var info = ObjectInfo(
            size: size, etag: etag, lastModified: lastModified, metadata: metadata, versionID: versionID)
        info.isEncryptedWithKey = isEncryptedWithKey
        info.answered = answered
        return info
    }

    /// Appends the fields of `metadata`, with the configuration's defaults for a new object.
    static func append(_ metadata: ObjectMetadata, _ configuration: S3Configuration, to request: inout S3Request) {
        request.setHeader("content-type", metadata.contentType)
        request.setHeader("cache-control", metadata.cacheControl)
        request.setHeader("content-disposition", metadata.contentDisposition)
        request.setHeader("content-encoding", metadata.contentEncoding)
        request.setHeader("content-language", metadata.contentLanguage)
        request.setHeader("expires", metadata.expires)
        request.setHeader("x-amz-website-redirect-location", metadata.websiteRedirectLocation)
        for (name, value) in metadata.user { request.setHeader("x-amz-meta-\(name.lowercased())", value) }
        appendDefaults(storageClass: metadata.storageClass, configuration, to: &request)
    }

    /// Appends what the configuration wants of each new object.
    static func appendDefaults(
        storageClass: String?, _ configuration: S3Configuration, to request: inout S3Request
    ) {
        request.setHeader("x-amz-storage-class", storageClass ?? configuration.storageClass)
        request.setHeader("x-amz-acl", configuration.acl)
        request.setHeader("x-amz-server-side-encryption", configuration.serverSideEncryption)
        request.setHeader("x-amz-server-side-encryption-aws-kms-key-id", configuration.kmsKeyID)
    }

    /// `Content-Encoding` without `aws-chunked`, which tells of an upload and not of the object.
    private static func contentEncoding(_ text: String) -> String? {
        let parts = text.split(separator: ",").map { $0.filter { $0 != " " } }.filter { $0 != "aws-chunked" }
        return parts.isEmpty ? nil : parts.joined(separator: ",")
    }
}

/// `=?UTF-8?B?…?=`: how S3 gives back user metadata that is not printable ASCII (RFC 2047).
enum EncodedWord {
    /// The decoded text; a text that is no run of encoded words in UTF-8 or ASCII is returned as it is.
    static func decode(_ text: String) -> String {
        guard text.utf8.starts(with: "=?".utf8), text.hasSuffix("?=") else { return text }
        var bytes: [UInt8] = []
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "?", omittingEmptySubsequences: false)
            guard parts.count == 5, parts[0] == "=", parts[4] == "=" else { return text }
            let charset = parts[1].lowercased()
            guard charset == "utf-8" || charset == "us-ascii" else { return text }
            switch parts[2].lowercased() {
            case "b":
                guard let decoded = Base64.decode(parts[3].utf8) else { return text }
                bytes += decoded
            case "q":
                guard let decoded = quotedPrintable(Array(parts[3].utf8)) else { return text }
                bytes += decoded
            default: return text
            }
        }
        return String(validating: bytes, as: UTF8.self) ?? text
    }

    private static func quotedPrintable(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var index = 0
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "_"): bytes.append(32)
            case UInt8(ascii: "="):
                guard index + 2 < text.count,
                    let value = UInt8(String(decoding: text[index + 1...index + 2], as: UTF8.self), radix: 16)
                else { return nil }
                bytes.append(value)
                index += 2
            default: bytes.append(text[index])
            }
            index += 1
        }
        return bytes
    }
}
