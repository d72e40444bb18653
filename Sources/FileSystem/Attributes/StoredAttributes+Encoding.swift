package import ObjectStore

/// The user metadata would not fit: S3 takes 2,048 bytes of names and values in all.
///
/// The caller makes `E2BIG` of it where an extended attribute was too large (setxattr(2)), else `ENOSPC`.
package struct MetadataTooLarge: Error, Sendable, Hashable {
    /// The bytes of all names and values.
    package var size: Int
    /// The most that S3 takes.
    package static let limit = 2048
}

extension StoredAttributes {
    /// The metadata to store: these attributes in s3fs's format, and all that `existing` holds beside them.
    ///
    /// The mode is written with its type bits, for directories as well: s3fs reads both forms and writes both. Foreign user
    /// metadata, the standard headers and the storage class are carried over. Where other tools left their own names for the
    /// same attributes, those are kept true: Google's always, s3sync's where all three of its names hold numbers, because
    /// `owner` and `group` alone may be anybody's.
    ///
    /// - Parameters:
    ///   - existing: what the object has now; empty for a new one.
    ///   - contentType: a new `Content-Type`; nil keeps that of `existing`.
    /// - Throws: ``MetadataTooLarge``; nothing was stored then.
    package func metadata(merging existing: ObjectMetadata = ObjectMetadata(), contentType: String? = nil)
        throws(MetadataTooLarge) -> ObjectMetadata
    {
        var metadata = existing
        if let contentType { metadata.contentType = contentType }
        metadata.user[AttributeNames.mode] = String(mode)
        metadata.user[AttributeNames.owner] = String(owner)
        metadata.user[AttributeNames.group] = String(group)
        metadata.user[AttributeNames.modificationTime] = StoredTime.text(modificationTime)
        metadata.user[AttributeNames.changeTime] = StoredTime.text(changeTime)
        metadata.user[AttributeNames.accessTime] = StoredTime.text(accessTime)
        metadata.user[AttributeNames.extendedAttributes] = extendedAttributes.header
        switch type {
        case .characterDevice, .blockDevice: metadata.user[AttributeNames.device] = StoredDevice.text(device)
        default: break
        }
        updateAliases(in: &metadata.user)

        let size = metadata.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= MetadataTooLarge.limit else { throw MetadataTooLarge(size: size) }
        return metadata
    }

    private func updateAliases(in user: inout [String: String]) {
        func replace(_ name: String, by text: String) {
            if user[name] != nil { user[name] = text }
        }
        replace(AttributeNames.modeOfGoogle, by: String(permissions, radix: 8))
        replace(AttributeNames.ownerOfGoogle, by: String(owner))
        replace(AttributeNames.groupOfGoogle, by: String(group))
        replace(AttributeNames.modificationTimeOfGoogle, by: String(modificationTime.seconds))

        let ofS3Sync = [AttributeNames.modeOfS3Sync, AttributeNames.ownerOfS3Sync, AttributeNames.groupOfS3Sync]
        let isS3Sync = ofS3Sync.allSatisfy { name in
            user[name].flatMap { StoredNumber.parse($0, base: 10, upTo: UInt64(UInt32.max)) } != nil
        }
        if isS3Sync {
            user[AttributeNames.modeOfS3Sync] = String(permissions)
            user[AttributeNames.ownerOfS3Sync] = String(owner)
            user[AttributeNames.groupOfS3Sync] = String(group)
        }
    }
}
