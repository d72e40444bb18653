/// What a file shows where its object's metadata says nothing: objects of other tools, and directories that no object
/// stands for.
///
/// The values are s3fs's own, so that the same bucket looks the same through either.
package struct AttributeDefaults: Sendable, Hashable {
    /// Owner: the effective user of the mount.
    package var owner: UInt32
    /// Group: the effective group of the mount.
    package var group: UInt32
    /// Permission bits of a file, `07777` at most.
    package var filePermissions: UInt32
    /// Permission bits of a directory, `07777` at most.
    package var directoryPermissions: UInt32

    /// Defaults for the given user; the permissions are s3fs's unless told.
    package init(owner: UInt32, group: UInt32, filePermissions: UInt32 = 0o640, directoryPermissions: UInt32 = 0o750) {
        self.owner = owner
        self.group = group
        self.filePermissions = filePermissions
        self.directoryPermissions = directoryPermissions
    }
}
