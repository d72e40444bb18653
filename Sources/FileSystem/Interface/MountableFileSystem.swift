public import SystemPackage

/// The process on whose behalf the kernel asks.
public struct Caller: Sendable, Hashable {
    /// Its effective user.
    public var uid: UInt32
    /// Its effective group.
    public var gid: UInt32
    /// Its id; 0 where it lives in a pid namespace that this process does not see.
    public var pid: Int32
    /// Its umask; FUSE gives it with create, mkdir and mknod.
    public var umask: UInt32

    /// A caller.
    public init(uid: UInt32, gid: UInt32, pid: Int32 = 0, umask: UInt32 = 0o022) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.umask = umask
    }
}

/// The flags of `open(2)` that the file system looks at.
public struct OpenFlags: Sendable, Hashable, OptionSet {
    /// The bits as Linux has them on this architecture.
    public let rawValue: Int32

    /// Flags from the kernel's bits.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// `O_WRONLY`
    public static let writeOnly = OpenFlags(rawValue: 0o1)
    /// `O_RDWR`
    public static let readWrite = OpenFlags(rawValue: 0o2)
    /// `O_CREAT`
    public static let create = OpenFlags(rawValue: 0o100)
    /// `O_EXCL`
    public static let exclusive = OpenFlags(rawValue: 0o200)
    /// `O_TRUNC`
    public static let truncate = OpenFlags(rawValue: 0o1000)
    /// `O_APPEND`
    public static let append = OpenFlags(rawValue: 0o2000)
    /// `O_NOATIME`
    public static let keepsAccessTime = OpenFlags(rawValue: 0o1000000)

    /// Whether the file may be written through the handle.
    public var isWritable: Bool { rawValue & 0o3 != 0 }
    /// Whether the file may be read through the handle.
    public var isReadable: Bool { rawValue & 0o3 != 0o1 }
}

/// The answer to an open.
public struct OpenReply: Sendable, Hashable {
    /// The handle, to be given back with every call on the open file and released once.
    public var handle: HandleID
    /// The kernel may keep the pages that it has of this inode: the content is the one that they came from.
    public var keepsPageCache: Bool
    /// The kernel shall not cache pages for this handle.
    public var isDirect: Bool

    /// An answer of the given parts.
    public init(handle: HandleID, keepsPageCache: Bool = false, isDirect: Bool = false) {
        self.handle = handle
        self.keepsPageCache = keepsPageCache
        self.isDirect = isDirect
    }
}

/// The answer to a create: the new file, opened.
public struct CreateReply: Sendable, Hashable {
    /// The file.
    public var entry: Entry
    /// Its handle.
    public var open: OpenReply

    /// An answer of the given parts.
    public init(entry: Entry, open: OpenReply) {
        self.entry = entry
        self.open = open
    }
}

/// An entry of a directory, as `readdir` and `readdirplus` hand it out.
public struct DirectoryItem: Sendable {
    /// The name's bytes: a `FileName`, or `.` or `..`.
    public var name: String
    /// `d_ino`
    public var inode: UInt64
    /// `d_type`; nil (`DT_UNKNOWN`) where only a request would tell.
    public var type: FileType?
    /// What to give as `cookie` to go on after this entry; never 0.
    public var next: UInt64
    /// For `readdirplus`, where the attributes are known without a request: the entry. Emitting it counts as a lookup. Nil
    /// otherwise, and always for `.` and `..`: the kernel then asks when somebody wants them.
    public var entry: Entry?

    /// An item of the given parts.
    public init(name: String, inode: UInt64, type: FileType?, next: UInt64, entry: Entry? = nil) {
        self.name = name
        self.inode = inode
        self.type = type
        self.next = next
        self.entry = entry
    }
}

/// What `rename(2)` shall do beyond renaming.
public struct RenameFlags: Sendable, Hashable, OptionSet {
    /// The bits as Linux has them.
    public let rawValue: UInt32

    /// Flags from the kernel's bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `RENAME_NOREPLACE`
    public static let noReplace = RenameFlags(rawValue: 1)
    /// `RENAME_EXCHANGE`
    public static let exchange = RenameFlags(rawValue: 2)
}

/// What `fallocate(2)` shall do.
public struct AllocationMode: Sendable, Hashable, OptionSet {
    /// The bits as Linux has them.
    public let rawValue: Int32

    /// A mode from the kernel's bits.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// `FALLOC_FL_KEEP_SIZE`
    public static let keepSize = AllocationMode(rawValue: 0x1)
    /// `FALLOC_FL_PUNCH_HOLE`, always with ``keepSize``
    public static let punchHole = AllocationMode(rawValue: 0x2)
    /// `FALLOC_FL_ZERO_RANGE`
    public static let zeroRange = AllocationMode(rawValue: 0x10)
}

/// What `lseek(2)` looks for.
public enum SeekTarget: Int32, Sendable, Hashable {
    /// `SEEK_DATA`
    case data = 3
    /// `SEEK_HOLE`
    case hole = 4
}

/// Bytes that a read answers, left where they are: the kernel copies from there.
public struct ReadReply: Sendable {
    /// A run of bytes and what keeps it alive. The bytes do not change while `owner` lives.
    public struct Segment: @unchecked Sendable {
        /// The bytes.
        public let bytes: UnsafeRawBufferPointer
        /// Keeps them alive.
        public let owner: AnyObject

        /// A run of bytes kept alive by `owner`.
        public init(bytes: UnsafeRawBufferPointer, owner: AnyObject) {
            self.bytes = bytes
            self.owner = owner
        }
    }

    /// The runs, in order. Fewer bytes in all than asked mean the end of the file.
    public var segments: [Segment]

    /// An answer of the given runs.
    public init(segments: [Segment] = []) { self.segments = segments }

    /// The number of bytes in all.
    public var count: Int { segments.reduce(0) { $0 + $1.bytes.count } }
}

/// What the file system may tell the kernel unasked. Implementations queue the messages of `invalidate…` and return at once: the kernel may
/// hold locks that an open request needs.
public protocol KernelNotifier: Sendable {
    /// Forget cached attributes of `node`, and its cached pages from `offset` on, `length` bytes (0: to the end; a negative
    /// `offset`: attributes only).
    func invalidateInode(_ node: NodeID, offset: Int64, length: Int64)
    /// Forget that `parent` has, or has not, an entry `name`.
    func invalidateEntry(parent: NodeID, name: FileName)
    /// Forget cached attributes of `node`, before this returns: the kernel takes no lock for that which a request may hold.
    func expireAttributes(of node: NodeID)
}

extension KernelNotifier {
    /// For implementations that queue nothing.
    public func expireAttributes(of node: NodeID) { invalidateInode(node, offset: -1, length: 0) }
}

/// A file system as the kernel side drives it: one method a verb of FUSE's protocol.
///
/// Most verbs come twice. The one ending in `Now` answers from memory on the calling thread and never waits for network or
/// disk; nil means "ask the other". The asynchronous one may wait; cancelling its task interrupts it with `EINTR`. Errors
/// are errnos; whatever detail there is has been logged.
///
/// See fuse_lowlevel.h and <https://www.kernel.org/doc/html/latest/filesystems/fuse.html>.
public protocol MountableFileSystem: AnyObject, Sendable {
    /// Called once, before any other verb, with the way back to the kernel.
    func start(notifier: any KernelNotifier)

    // MARK: Names

    /// `LOOKUP` from memory. `.failure(.noSuchFileOrDirectory)` is an answer as well.
    func lookupNow(_ name: FileName, in parent: NodeID, by caller: Caller) -> Result<Entry, Errno>?
    /// `LOOKUP`
    func lookup(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) -> Entry
    /// How long the kernel may remember that a name is not there, in seconds; 0 for not at all.
    var negativeLifetime: Double { get }
    /// `FORGET`: the kernel drops `count` lookups of the inode.
    func forget(_ node: NodeID, lookups count: UInt64)
    /// `MKDIR`. Here, in ``makeNode`` and in ``create``, `permissions` are as the program gave them: the file system takes the
    /// caller's umask off, or does what a default list of the directory says (acl(5)).
    func makeDirectory(_ name: FileName, in parent: NodeID, permissions: UInt32, by caller: Caller)
        async throws(Errno) -> Entry
    /// `MKNOD`: any type but a directory or symbolic link.
    func makeNode(
        _ name: FileName, in parent: NodeID, type: FileType, permissions: UInt32, device: UInt64, by caller: Caller
    ) async throws(Errno) -> Entry
    /// `SYMLINK`
    func makeSymbolicLink(_ name: FileName, in parent: NodeID, target: [UInt8], by caller: Caller)
        async throws(Errno) -> Entry
    /// `UNLINK`
    func unlink(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno)
    /// `RMDIR`
    func removeDirectory(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno)
    /// `RENAME`
    func rename(
        _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
        by caller: Caller
    ) async throws(Errno)

    // MARK: Attributes

    /// `GETATTR` from memory: the attributes and how long the kernel may answer for them, in seconds.
    func attributesNow(of node: NodeID, handle: HandleID?) -> Result<(FileAttributes, lifetime: Double), Errno>?
    /// `GETATTR`
    func attributes(of node: NodeID, handle: HandleID?)
        async throws(Errno) -> (FileAttributes, lifetime: Double)
    /// `SETATTR`
    func setAttributes(of node: NodeID, handle: HandleID?, to changes: AttributeChanges, by caller: Caller)
        async throws(Errno) -> (FileAttributes, lifetime: Double)
    /// `READLINK`
    func readSymbolicLink(_ node: NodeID) async throws(Errno) -> [UInt8]
    /// `GETXATTR` from memory.
    func extendedAttributeNow(_ name: String, of node: NodeID) -> Result<[UInt8], Errno>?
    /// `GETXATTR`: `ENODATA` where there is none of that name.
    func extendedAttribute(_ name: String, of node: NodeID) async throws(Errno) -> [UInt8]
    /// `LISTXATTR`
    func extendedAttributeNames(of node: NodeID) async throws(Errno) -> [String]
    /// `SETXATTR`, with the flags of setxattr(2).
    func setExtendedAttribute(
        _ name: String, of node: NodeID, to value: [UInt8], mustCreate: Bool, mustReplace: Bool, by caller: Caller
    ) async throws(Errno)
    /// `REMOVEXATTR`
    func removeExtendedAttribute(_ name: String, of node: NodeID, by caller: Caller) async throws(Errno)
    /// `STATFS`
    func statistics() -> FileSystemStatistics

    // MARK: Open files

    /// `CREATE` from memory.
    func createNow(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) -> Result<CreateReply, Errno>?
    /// `CREATE`
    func create(_ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller)
        async throws(Errno) -> CreateReply
    /// `OPEN` from memory.
    func openNow(_ node: NodeID, flags: OpenFlags, by caller: Caller) -> Result<OpenReply, Errno>?
    /// `OPEN`
    func open(_ node: NodeID, flags: OpenFlags, by caller: Caller) async throws(Errno) -> OpenReply
    /// `READ` from memory.
    func readNow(_ handle: HandleID, offset: Int64, length: Int) -> Result<ReadReply, Errno>?
    /// `READ`
    func read(_ handle: HandleID, offset: Int64, length: Int) async throws(Errno) -> ReadReply
    /// `WRITE` into memory: the number of bytes taken, all or none.
    func writeNow(_ handle: HandleID, offset: Int64, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>?
    /// `WRITE`
    func write(_ handle: HandleID, offset: Int64, _ bytes: [UInt8]) async throws(Errno) -> Int
    /// `FALLOCATE`: `EOPNOTSUPP` for a mode that is not kept.
    func allocate(_ handle: HandleID, mode: AllocationMode, offset: Int64, length: Int64) async throws(Errno)
    /// `LSEEK` to data or a hole at or behind `offset`, in bytes: `ENXIO` where there is none.
    func seekNow(_ handle: HandleID, from offset: Int64, to target: SeekTarget) -> Result<Int64, Errno>
    /// `COPY_FILE_RANGE` without the bytes coming here. Returns how many bytes were taken, 0 at the source's end. `EOPNOTSUPP` where
    /// they have to be read and written, which the kernel then does.
    func copyRange(
        of source: HandleID, from sourceOffset: Int64, to target: HandleID, at offset: Int64, length: Int64
    ) async throws(Errno) -> Int64
    /// `FLUSH`, sent by each close(2), from memory: for a handle with nothing to store.
    func flushNow(_ handle: HandleID, by caller: Caller) -> Result<Void, Errno>?
    /// `FLUSH`
    func flush(_ handle: HandleID, by caller: Caller) async throws(Errno)
    /// `FSYNC`
    func synchronize(_ handle: HandleID) async throws(Errno)
    /// `RELEASE`: the last descriptor of the handle is gone.
    func release(_ handle: HandleID) async
    /// `RELEASE` from memory; true where that was all.
    func releaseNow(_ handle: HandleID) -> Bool

    // MARK: Open directories

    /// `OPENDIR`
    func openDirectory(_ node: NodeID) async throws(Errno) -> HandleID
    /// `OPENDIR` from memory.
    func openDirectoryNow(_ node: NodeID) -> Result<HandleID, Errno>?
    /// Hands entries from `cookie` on to `emit` until it returns false (the entry did not fit and counts as not given) or
    /// the directory ends. Nil, with nothing emitted, where the entries must be fetched first: see ``prepareDirectory``.
    func readDirectoryNow(
        _ handle: HandleID, from cookie: UInt64, plus: Bool, emit: (DirectoryItem) -> Bool
    ) -> Result<Void, Errno>?
    /// Fetches what the next ``readDirectoryNow`` at `cookie` needs.
    func prepareDirectory(_ handle: HandleID, from cookie: UInt64) async throws(Errno)
    /// `FSYNCDIR`
    func synchronizeDirectory(_ handle: HandleID) async throws(Errno)
    /// `RELEASEDIR`
    func releaseDirectory(_ handle: HandleID)

    // MARK: The end

    /// Stores all that is not stored yet: the mount is about to end. New opens for writing fail with `ESHUTDOWN` from here
    /// on. Returns the number of files that could not be stored by the time the task is cancelled.
    func drain() async -> Int
}

extension MountableFileSystem {
    /// Nothing is known at once.
    public func extendedAttributeNow(_ name: String, of node: NodeID) -> Result<[UInt8], Errno>? { nil }

    /// Nothing is allocated.
    public func allocate(_ handle: HandleID, mode: AllocationMode, offset: Int64, length: Int64) async throws(Errno) {
        throw .notSupportedOnSocket
    }

    /// The kernel reads and writes.
    public func copyRange(
        of source: HandleID, from sourceOffset: Int64, to target: HandleID, at offset: Int64, length: Int64
    ) async throws(Errno) -> Int64 {
        throw .notSupportedOnSocket
    }

    /// Where holes are is not told.
    public func seekNow(_ handle: HandleID, from offset: Int64, to target: SeekTarget) -> Result<Int64, Errno> {
        .failure(.invalidArgument)
    }
}
