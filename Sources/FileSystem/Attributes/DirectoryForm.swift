package import ObjectStore

/// The ways in which a bucket says "there is a directory": Pail writes ``marker`` and reads them all.
///
/// A directory of the last kind has no object at all: keys below it imply it, and a listing shows it as a common prefix.
package enum DirectoryForm: Sendable, Hashable {
    /// `d/`: s3fs's own form, and most tools'.
    case marker
    /// `d`, with a directory's content type or mode: s3fs before 1.63, s3sync.
    case plainObject
    /// `d_$folder$`, empty: Hadoop's old file systems.
    case folderSuffix

    /// What ends the key of ``folderSuffix``.
    package static let folderEnding = "_$folder$"

    /// The content type of the markers that Pail writes.
    package static let contentType = "application/x-directory"

    /// The form that a key alone tells; nil where it tells none, and `d` may still be a ``plainObject``.
    package init?(key: ObjectKey, size: Int64) {
        if key.isDirectoryMarker {
            self = .marker
        } else if size == 0, Self.hasFolderEnding(key) {
            self = .folderSuffix
        } else {
            return nil
        }
    }

    /// Whether a content type, its parameters left aside, is a directory's: s3fs's, or Nextcloud's.
    package static func isDirectory(contentType: String?) -> Bool {
        guard let contentType else { return false }
        let bytes = StoredNumber.trimmed(contentType.prefix { $0 != ";" })
        let type = String(decoding: bytes, as: UTF8.self).lowercased()
        return type == Self.contentType || type == "httpd/unix-directory"
    }

    /// The directory's own key in the form that Pail writes, `d/`, for a key of any form.
    package static func markerKey(for key: ObjectKey) -> ObjectKey {
        if key.isDirectoryMarker { return key }
        if hasFolderEnding(key) { return ObjectKey(String(key.string.dropLast(folderEnding.count)) + "/") }
        return ObjectKey(key.string + "/")
    }

    private static func hasFolderEnding(_ key: ObjectKey) -> Bool {
        key.utf8Count > folderEnding.utf8.count
            && key.string.utf8.suffix(folderEnding.utf8.count).elementsEqual(folderEnding.utf8)
            && key.string.utf8.dropLast(folderEnding.utf8.count).last != UInt8(ascii: "/")
    }
}
