/// The names of the user metadata that hold a file's attributes (`x-amz-meta-` left off), each with the other tools' names
/// for the same thing in the order in which they are looked at.
enum AttributeNames {
    /// `st_mode`, type bits and all, in decimal.
    static let mode = "mode"
    /// s3sync's mode, decimal.
    static let modeOfS3Sync = "permissions"
    /// Google's tools' mode, octal.
    static let modeOfGoogle = "goog-reserved-posix-mode"

    /// Numeric owner.
    static let owner = "uid"
    /// s3sync's owner.
    static let ownerOfS3Sync = "owner"
    /// Google's tools' owner.
    static let ownerOfGoogle = "goog-reserved-posix-uid"

    /// Numeric group.
    static let group = "gid"
    /// s3sync's group.
    static let groupOfS3Sync = "group"
    /// Google's tools' group.
    static let groupOfGoogle = "goog-reserved-posix-gid"

    /// Modification time, see ``StoredTime``.
    static let modificationTime = "mtime"
    /// Google's tools' modification time.
    static let modificationTimeOfGoogle = "goog-reserved-file-mtime"
    /// Change time.
    static let changeTime = "ctime"
    /// Access time.
    static let accessTime = "atime"

    /// Extended attributes, see ``ExtendedAttributes``.
    static let extendedAttributes = "xattr"

    /// The device number of a device file, see ``StoredDevice``. Pail's own addition: s3fs stores none and ignores it.
    static let device = "rdev"
}
