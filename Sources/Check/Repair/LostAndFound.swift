internal import FileSystem
internal import ObjectStore

/// Where contents go that cannot stay where they are: one folder, flat, whose names tell the key that each had.
enum LostAndFound {
    /// The folder's name, as on any Unix file system.
    static let name = "lost+found"

    /// The key for what had `key`: the key's own bytes, those percent-encoded that a name cannot hold; cut, with a sum of the
    /// whole at its end, where that gives more than a name's 255 bytes.
    /// - Parameter attempt: from 0 on, where the one before is taken.
    static func key(for key: ObjectKey, prefix: String, attempt: Int) -> ObjectKey {
        var path = key.string.utf8.dropFirst(prefix.utf8.count)
        if path.last == UInt8(ascii: "/"), path.count > 1 { path = path.dropLast() }
        let suffix = attempt == 0 ? "" : "~\(attempt + 1)"
        var name = ""
        for byte in path { name += encoded(byte) }
        if name == "." || name == ".." { name = name.map { _ in "%2E" }.joined() }
        let room = min(
            FileName.maximumLength, ObjectKey.maximumLength - 1 - prefix.utf8.count - Self.name.utf8.count - 1)
        if name.utf8.count + suffix.utf8.count > room {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in key.string.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            let mark = "~" + String(hash, radix: 16)
            name = String(name.prefix(max(0, room - mark.utf8.count - suffix.utf8.count))) + mark
        }
        return ObjectKey(prefix + Self.name + "/" + name + suffix)
    }

    // ASCII throughout, so that characters are bytes when the name is cut.
    private static func encoded(_ byte: UInt8) -> String {
        switch byte {
        case 0x21...0x24, 0x26...0x2E, 0x30...0x5B, 0x5D...0x7E: return String(UnicodeScalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.utf8.count == 1 ? "0" + digits : digits)
        }
    }

    /// Headers that show the content as an ordinary file there, whatever they said before.
    static func metadata(_ info: ObjectInfo, of key: ObjectKey) -> ObjectMetadata {
        let headed = HeadedObject(
            ListedEntry(
                object: ListedObject(key: key, size: info.size, etag: info.etag, lastModified: info.lastModified),
                path: "", names: [], sharedDirectories: 0, hidden: nil), info)
        var metadata = headed.metadata
        guard headed.attributes.type != .regular else { return metadata }
        for name in [AttributeNames.mode, AttributeNames.modeOfS3Sync, AttributeNames.modeOfGoogle] {
            guard let mode = metadata.user.removeValue(forKey: name) else { continue }
            metadata.user[MendedMetadata.keptPrefix + name] = mode
        }
        if headed.attributes.stored.contains(.permissions) {
            metadata.user[AttributeNames.mode] = String(
                FileType.regular.rawValue | headed.attributes.permissions & 0o666)
        }
        if DirectoryForm.isDirectory(contentType: metadata.contentType) {
            metadata.contentType = "application/octet-stream"
        }
        return metadata
    }
}
