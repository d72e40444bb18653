internal import ObjectStore

/// What a HEAD has told of one version of an object, as the bytes of a row.
///
/// The seal at the end (``RecordSeal``) covers the version that the bytes belong to: a row that a damaged index shows under another name is no
/// record of that one.
enum HeaderRecord {
    /// The bytes of `info` for the row of `key`.
    static func encode(_ info: ObjectInfo, of key: ObjectKey) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(info.size)
        writer.write(Int64(info.lastModified.nanoseconds))
        writer.write(info.isEncryptedWithKey ? 1 : 0)
        writer.write(info.versionID)
        writer.write(info.metadata)
        return writer.sealed(id: info.lastModified.seconds, key: sealed(key, info.etag))
    }

    /// What ``encode(_:of:)`` has written of the version of that ETag and second; nil for anything else.
    static func decode(_ bytes: [UInt8], of key: ObjectKey, etag: ETag, seconds: Int64) -> ObjectInfo? {
        do throws(RecordReader.Malformed) {
            var reader = try RecordReader(sealed: bytes, id: seconds, key: sealed(key, etag).string)
            let size = try reader.number()
            let nanoseconds = try reader.number()
            let isEncrypted = try reader.number() != 0
            let versionID = try reader.optionalText()
            let metadata = try reader.metadata()
            guard reader.isAtEnd, size >= 0, (0..<1_000_000_000).contains(nanoseconds) else { return nil }
            var info = ObjectInfo(
                size: size, etag: etag,
                lastModified: Timestamp(seconds: seconds, nanoseconds: Int32(nanoseconds)), metadata: metadata,
                versionID: versionID)
            info.isEncryptedWithKey = isEncrypted
            return info
        } catch { return nil }
    }

    private static func sealed(_ key: ObjectKey, _ etag: ETag?) -> ObjectKey {
        ObjectKey(key.string + "\n" + (etag?.value ?? ""))
    }
}
