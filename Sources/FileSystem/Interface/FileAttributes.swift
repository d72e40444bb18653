public import ObjectStore

/// The kind of a file: the type bits of `st_mode`, see inode(7).
public enum FileType: UInt32, Sendable, Hashable, CaseIterable {
    /// `S_IFREG`
    case regular = 0o100000
    /// `S_IFDIR`
    case directory = 0o040000
    /// `S_IFLNK`
    case symbolicLink = 0o120000
    /// `S_IFIFO`
    case fifo = 0o010000
    /// `S_IFSOCK`
    case socket = 0o140000
    /// `S_IFCHR`
    case characterDevice = 0o020000
    /// `S_IFBLK`
    case blockDevice = 0o060000

    /// The kind that a mode's type bits tell; nil where they tell none.
    public init?(mode: UInt32) { self.init(rawValue: mode & 0o170000) }
}

/// What `stat(2)` shows of a file, less what the kernel side adds.
public struct FileAttributes: Sendable, Hashable {
    /// `st_ino`: stable for the life of the mount.
    public var inode: UInt64
    /// The kind of file.
    public var type: FileType
    /// The permission, set-id and sticky bits: `st_mode & 07777`.
    public var permissions: UInt32
    /// `st_uid`
    public var owner: UInt32
    /// `st_gid`
    public var group: UInt32
    /// `st_size` in bytes.
    public var size: Int64
    /// `st_atim`
    public var accessTime: Timestamp
    /// `st_mtim`
    public var modificationTime: Timestamp
    /// `st_ctim`
    public var changeTime: Timestamp
    /// `st_rdev`: device files only.
    public var device: UInt64
    /// `st_nlink`: 0 for what is removed and still open.
    public var links: UInt32 = 1

    /// Attributes of the given values.
    public init(
        inode: UInt64, type: FileType, permissions: UInt32, owner: UInt32, group: UInt32, size: Int64,
        accessTime: Timestamp, modificationTime: Timestamp, changeTime: Timestamp, device: UInt64 = 0
    ) {
        self.inode = inode
        self.type = type
        self.permissions = permissions
        self.owner = owner
        self.group = group
        self.size = size
        self.accessTime = accessTime
        self.modificationTime = modificationTime
        self.changeTime = changeTime
        self.device = device
    }

    /// `st_mode`: type and permissions.
    public var mode: UInt32 { type.rawValue | permissions }
}

/// The attributes that a `setattr` changes; nil leaves one as it is.
public struct AttributeChanges: Sendable, Equatable {
    /// A time to set.
    public enum Time: Sendable, Equatable {
        /// The moment of the call (`UTIME_NOW`).
        case now
        /// This one.
        case at(Timestamp)
    }

    /// New permission bits: `07777`.
    public var permissions: UInt32?
    /// New owner.
    public var owner: UInt32?
    /// New group.
    public var group: UInt32?
    /// New size in bytes: truncates or extends by zeros.
    public var size: Int64?
    /// New access time.
    public var accessTime: Time?
    /// New modification time.
    public var modificationTime: Time?
    /// New change time; only a kernel with write-back cache sends it.
    public var changeTime: Timestamp?

    /// No change.
    public init() {}
}

/// What a lookup or a create answers: an inode that the kernel now remembers, until as many `forget`s as lookups came.
public struct Entry: Sendable, Hashable {
    /// The inode.
    public var node: NodeID
    /// Tells two uses of one number apart.
    public var generation: UInt64
    /// The file's attributes.
    public var attributes: FileAttributes
    /// How long the kernel may answer for the attributes, in seconds.
    public var attributeLifetime: Double
    /// How long the kernel may answer for the name, in seconds.
    public var nameLifetime: Double

    /// An answer of the given parts.
    public init(
        node: NodeID, generation: UInt64 = 0, attributes: FileAttributes, attributeLifetime: Double,
        nameLifetime: Double
    ) {
        self.node = node
        self.generation = generation
        self.attributes = attributes
        self.attributeLifetime = attributeLifetime
        self.nameLifetime = nameLifetime
    }
}

/// What `statfs(2)` shows, less what the kernel side adds.
public struct FileSystemStatistics: Sendable, Hashable {
    /// `f_bsize` and `f_frsize` in bytes.
    public var blockSize: UInt64
    /// `f_blocks`
    public var blocks: UInt64
    /// `f_bfree` and `f_bavail`
    public var freeBlocks: UInt64
    /// `f_files`
    public var files: UInt64
    /// `f_ffree`
    public var freeFiles: UInt64

    /// Statistics of the given values.
    public init(blockSize: UInt64, blocks: UInt64, freeBlocks: UInt64, files: UInt64, freeFiles: UInt64) {
        self.blockSize = blockSize
        self.blocks = blocks
        self.freeBlocks = freeBlocks
        self.files = files
        self.freeFiles = freeFiles
    }
}
