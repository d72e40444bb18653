/// The names of the user metadata that hold a file's attributes (`x-amz-meta-` left off), each with the other tools' names
/// for the same thing in the order in which they are looked at.
package enum AttributeNames {
    /// `st_mode`, type bits and all, in decimal.
    package static let mode = "mode"
    /// s3sync's mode, decimal.
    package static let modeOfS3Sync = "permissions"
    /// Google's tools' mode, octal.
    package static let modeOfGoogle = "goog-reserved-posix-mode"

    /// Numeric owner.
    package static let owner = "uid"
    /// s3sync's owner.
    package static let ownerOfS3Sync = "owner"
    /// Google's tools' owner.
    package static let ownerOfGoogle = "goog-reserved-posix-uid"

    /// Numeric group.
    package static let group = "gid"
    /// s3sync's group.
    package static let groupOfS3Sync = "group"
    /// Google's tools' group.
    package static let groupOfGoogle = "goog-reserved-posix-gid"

    /// Modification time, see ``StoredTime``.
    package static let modificationTime = "mtime"
    /// Google's tools' modification time.
    package static let modificationTimeOfGoogle = "goog-reserved-file-mtime"
    /// Change time.
    package static let changeTime = "ctime"
    /// Access time.
    package static let accessTime = "atime"

    /// Extended attributes, see ``ExtendedAttributes``.
    package static let extendedAttributes = "xattr"

    /// The device number of a device file, see ``StoredDevice``. Pail's own addition: s3fs stores none and ignores it.
    package static let device = "rdev"
}
