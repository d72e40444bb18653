package import ObjectStore

/// A file's attributes as its object's metadata hold them, in s3fs's format.
///
/// Any object is a file to somebody: one without any of this metadata, with another tool's, or with nonsense in it. So
/// decoding never fails. What is absent or malformed takes the next best source and in the end a default; what was malformed
/// is listed in ``problems`` for the consistency check to report.
///
/// The order of the sources, the defaults and the rules for the type follow s3fs's, with two differences: a key that ends in
/// `/` is a directory whatever its metadata say, because no file can have such a name; and a malformed number gives the
/// default where s3fs takes 0, because 0 is root.
package struct StoredAttributes: Sendable, Hashable {
    /// Attributes that can come from an object's own metadata.
    package struct Fields: OptionSet, Sendable, Hashable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        /// ``type``
        package static let type = Fields(rawValue: 1 << 0)
        /// ``permissions``
        package static let permissions = Fields(rawValue: 1 << 1)
        /// ``owner``
        package static let owner = Fields(rawValue: 1 << 2)
        /// ``group``
        package static let group = Fields(rawValue: 1 << 3)
        /// ``modificationTime``
        package static let modificationTime = Fields(rawValue: 1 << 4)
        /// ``changeTime``
        package static let changeTime = Fields(rawValue: 1 << 5)
        /// ``accessTime``
        package static let accessTime = Fields(rawValue: 1 << 6)
        /// ``device``
        package static let device = Fields(rawValue: 1 << 7)
    }

    /// Metadata that could not be read.
    package struct Problem: Sendable, Hashable {
        /// What is wrong with it.
        package enum Reason: Sendable, Hashable {
            /// The value is not in the form that the name calls for.
            case malformed
            /// The mode tells a type that contradicts the key: a file under a key that ends in `/`.
            case contradictsKey
        }
        /// The metadata's name, `x-amz-meta-` left off.
        package var name: String
        /// Its value.
        package var value: String
        /// What is wrong.
        package var reason: Reason
    }

    /// The kind of file.
    package var type: FileType
    /// `st_mode & 07777`
    package var permissions: UInt32
    /// `st_uid`
    package var owner: UInt32
    /// `st_gid`
    package var group: UInt32
    /// `st_mtim`
    package var modificationTime: Timestamp
    /// `st_ctim`
    package var changeTime: Timestamp
    /// `st_atim`
    package var accessTime: Timestamp
    /// `st_rdev`, of device files; 0 where it is not known.
    package var device: UInt64
    /// The extended attributes.
    package var extendedAttributes: ExtendedAttributes

    /// Whether the object's metadata were seen. False for what a listing told: then all but the times' and type's guesses are
    /// defaults, and a HEAD may tell otherwise.
    package var isComplete: Bool
    /// What came from the object's own metadata; the rest are fallbacks.
    package var stored: Fields
    /// Metadata that could not be read.
    package var problems: [Problem]

    /// `st_mode`: type and permissions.
    package var mode: UInt32 { type.rawValue | permissions }

    /// Attributes of a new file.
    package init(
        type: FileType, permissions: UInt32, owner: UInt32, group: UInt32, modificationTime: Timestamp,
        changeTime: Timestamp, accessTime: Timestamp, device: UInt64 = 0,
        extendedAttributes: ExtendedAttributes = .none
    ) {
        self.type = type
        self.permissions = permissions & 0o7777
        self.owner = owner
        self.group = group
        self.modificationTime = modificationTime
        self.changeTime = changeTime
        self.accessTime = accessTime
        self.device = device
        self.extendedAttributes = extendedAttributes
        isComplete = true
        stored = [.type, .permissions, .owner, .group, .modificationTime, .changeTime, .accessTime]
        problems = []
    }

    /// The best guess from a listing, which tells no metadata. Not ``isComplete``.
    package init(listed object: ListedObject, defaults: AttributeDefaults) {
        self.init(
            decoding: ObjectMetadata(), key: object.key, size: object.size, lastModified: object.lastModified,
            defaults: defaults)
        isComplete = false
    }

    /// A directory that no object stands for, implied by the keys below it; complete, for there is nothing more to learn.
    package init(impliedDirectoryAt time: Timestamp, defaults: AttributeDefaults) {
        self.init(
            type: .directory, permissions: defaults.directoryPermissions, owner: defaults.owner, group: defaults.group,
            modificationTime: time, changeTime: time, accessTime: time)
        stored = []
    }

    /// Decodes the metadata of a HEAD or GET.
    package init(decoding info: ObjectInfo, key: ObjectKey, defaults: AttributeDefaults) {
        self.init(
            decoding: info.metadata, key: key, size: info.size, lastModified: info.lastModified, defaults: defaults)
    }

    /// Decodes an object's metadata.
    /// - Parameters:
    ///   - key: the object's key, whose form tells a directory.
    ///   - size: the object's size in bytes.
    ///   - lastModified: the fallback for all times.
    package init(
        decoding metadata: ObjectMetadata, key: ObjectKey, size: Int64, lastModified: Timestamp,
        defaults: AttributeDefaults
    ) {
        var reader = MetadataReader(user: metadata.user)
        let form = DirectoryForm(key: key, size: size)

        let mode = reader.first(
            (AttributeNames.mode, { StoredNumber.parse($0, base: 10, upTo: 0o177777) }),
            (AttributeNames.modeOfS3Sync, { StoredNumber.parse($0, base: 10, upTo: 0o177777) }),
            (AttributeNames.modeOfGoogle, { StoredNumber.parse($0, base: 8, upTo: 0o177777) })
        ).map { (name: $0.name, value: UInt32($0.value)) }
        var stored: Fields = []
        if let mode, let type = FileType(mode: mode.value), form == nil || type == .directory {
            self.type = type
            permissions = mode.value & 0o7777
            stored.formUnion([.type, .permissions])
        } else {
            let isDirectory = form != nil || DirectoryForm.isDirectory(contentType: metadata.contentType)
            type = isDirectory ? .directory : .regular
            if let mode {
                let hasType = mode.value & 0o170000 != 0
                if hasType {
                    reader.complain(of: mode.name, FileType(mode: mode.value) == nil ? .malformed : .contradictsKey)
                }
                // A mode of 0 without a type is no mode at all; s3fs makes such a file readable for its owner.
                let given = mode.value & 0o7777
                permissions = given & 0o777 == 0 && !hasType ? given | (isDirectory ? 0o500 : 0o400) : given
                stored.insert(.permissions)
            } else {
                permissions = (isDirectory ? defaults.directoryPermissions : defaults.filePermissions) & 0o7777
            }
        }

        // 4294967295 is (uid_t)-1, which chown(2) takes for "leave it".
        let highestID = UInt64(UInt32.max) - 1
        let number: @Sendable (String) -> UInt64? = { StoredNumber.parse($0, base: 0, upTo: highestID) }
        let owner = reader.first(
            (AttributeNames.owner, number), (AttributeNames.ownerOfS3Sync, number),
            (AttributeNames.ownerOfGoogle, number))
        self.owner = owner.map { UInt32($0.value) } ?? defaults.owner
        if owner != nil { stored.insert(.owner) }
        let group = reader.first(
            (AttributeNames.group, number), (AttributeNames.groupOfS3Sync, number),
            (AttributeNames.groupOfGoogle, number))
        self.group = group.map { UInt32($0.value) } ?? defaults.group
        if group != nil { stored.insert(.group) }

        let time: @Sendable (String) -> Timestamp? = { StoredTime.parse($0) }
        let modification = reader.first(
            (AttributeNames.modificationTime, time), (AttributeNames.modificationTimeOfGoogle, time))
        modificationTime = modification?.value ?? lastModified
        if modification != nil { stored.insert(.modificationTime) }
        let change = reader.first((AttributeNames.changeTime, time))
        changeTime = change?.value ?? lastModified
        if change != nil { stored.insert(.changeTime) }
        let access = reader.first((AttributeNames.accessTime, time))
        accessTime = access?.value ?? lastModified
        if access != nil { stored.insert(.accessTime) }

        device = 0
        if type == .characterDevice || type == .blockDevice,
            let number = reader.first((AttributeNames.device, { StoredDevice.parse($0) }))
        {
            device = number.value
            stored.insert(.device)
        }

        extendedAttributes = ExtendedAttributes(header: metadata.user[AttributeNames.extendedAttributes])
        if extendedAttributes.entries == nil { reader.complain(of: AttributeNames.extendedAttributes, .malformed) }

        self.stored = stored
        isComplete = true
        problems = reader.problems
    }

    /// As `stat(2)` shows them.
    /// - Parameter size: the object's size in bytes; a directory shows 4,096, as s3fs does.
    func fileAttributes(inode: UInt64, size: Int64) -> FileAttributes {
        FileAttributes(
            inode: inode, type: type, permissions: permissions, owner: owner, group: group,
            size: type == .directory ? 4096 : size, accessTime: accessTime, modificationTime: modificationTime,
            changeTime: changeTime, device: device)
    }
}

/// Picks the first well-formed value of several names, and remembers the malformed ones that it met.
private struct MetadataReader {
    package let user: [String: String]
    package var problems: [StoredAttributes.Problem] = []

    package init(user: [String: String]) { self.user = user }

    mutating func first<Value>(_ sources: (name: String, parse: (String) -> Value?)...) -> (name: String, value: Value)?
    {
        for (name, parse) in sources {
            guard let text = user[name] else { continue }
            if let value = parse(text) { return (name, value) }
            complain(of: name, .malformed)
        }
        return nil
    }

    mutating func complain(of name: String, _ reason: StoredAttributes.Problem.Reason) {
        problems.append(.init(name: name, value: user[name] ?? "", reason: reason))
    }
}
