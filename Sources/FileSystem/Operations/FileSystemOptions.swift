public import ObjectStore

/// Where the attributes of files come from.
public enum AttributeSource: Sendable {
    /// From their objects' headers: one HEAD each.
    case stored
    /// From listings: size and time alone, no HEAD (ListedAttributes.swift).
    case listing
}

/// How the file system behaves, as a mount's options say.
public struct FileSystemOptions: Sendable {
    /// Owner of what carries none: the mounting user.
    public var owner: UInt32 = 0
    /// Group of what carries none.
    public var group: UInt32 = 0
    /// Shown as the owner of everything, whatever is stored (`-o uid=`); nil shows what is stored.
    public var ownerShown: UInt32?
    /// Shown as the group of everything (`-o gid=`).
    public var groupShown: UInt32?
    /// Taken out of the permissions shown (`-o umask=`): shown are `0777 & ~umask`; nil shows what is stored.
    public var umask: UInt32?
    /// Permissions of a file that carries none.
    public var filePermissions: UInt32 = 0o644
    /// Permissions of a directory that carries none.
    public var directoryPermissions: UInt32 = 0o755
    /// Permissions of the root directory, where none are stored.
    public var rootPermissions: UInt32 = 0o755
    /// Where the attributes of files come from.
    public var attributes = AttributeSource.stored
    /// Keeps attributes from mount to mount; nil where each asks anew.
    public var attributeCache: (any AttributeCache)?
    /// How late, in seconds, a change made elsewhere may be seen: 0 and up.
    public var attributeTimeout: Double = 1
    /// The memory that file content and metadata may take, in bytes.
    public var memoryLimit = 256 << 20
    /// Of that, what metadata may take, in bytes: names, inodes, listings on their way. Nil for half of it; never more than that.
    public var metadataShare: Int?
    /// The most inodes known at once; beyond it the kernel is asked to forget files. 0 where only their memory counts.
    public var maximumInodes = 0
    /// Size of an upload's first thousand parts, and the size below which a file is one PUT, in bytes.
    public var partSize: Int64 = 8 << 20
    /// Parts of one file on their way at once.
    public var parallelParts = 8
    /// Copies or deletes at once in the rename of a directory.
    public var parallelCopies = 32
    /// Which access times reads move; none on a mount that is read-only.
    public var accessTimes = AccessTimePolicy.relative
    /// Whether small files are fetched whole, ahead of a reader of one after the other.
    public var readsFilesAhead = true
    /// Whether what a walker through a tree sees next is asked for before he does.
    public var walksAhead = true
    /// The most LIST requests at once for one directory: 1 to ``mostListStreams``; 1 asks for one page behind the other.
    public var listStreams = mostListStreams
    /// Refuses all that would change the bucket.
    public var isReadOnly = false
    /// Where staged content goes that finds no room in memory.
    public var spillDirectory = "/var/tmp"
    /// What the disk of ``spillDirectory`` shall have free, in bytes: below it, copies of what the store has already are not kept there.
    public var minimumFreeDisk: Int64 = 1 << 30
    /// The most that staged content may take of that disk, in bytes; nil for as much as there is.
    public var diskLimit: Int64?
    /// The file that tells content types, in mime.types(5)'s form; nil for `/etc/mime.types`.
    public var contentTypesFile: String?
    /// Whether there are extended attributes; without, all that asks for them gets `ENOTSUP`.
    public var hasExtendedAttributes = true
    /// Whether the store's "access denied" is `EPERM`, as s3fs has it, instead of `EACCES`.
    public var showsDeniedAsNotPermitted = false
    /// The size that `statfs(2)` tells, in bytes; nil for a petabyte.
    public var capacity: Int64?
    /// The clocks.
    public var clock = FileSystemClock.system
    /// Tells whether the process has another descriptor of the inode: see Commit.swift. Nil where that cannot be told.
    public var hasOtherDescriptors: (@Sendable (_ pid: Int32, _ inode: UInt64) -> Bool)?
    /// Tells whether a caller's `O_EXCL` may be kept by the upload of the content, at close: a program that only copies. Nil where each
    /// `O_EXCL` claims its name when the file is opened.
    public var claimsLate: (@Sendable (Caller) -> Bool)?
    /// Remembers directories' renames while they are under way; nil where a crash shall leave them half done.
    public var renameLog: (any RenameLog)?
    /// Keeps on this machine what a close could not store; nil where it is in memory alone.
    public var unstoredLog: (any UnstoredLog)?
    /// Whether changes of a part of a file are laid over a version that somebody else has stored meanwhile; else they are `ESTALE`.
    public var overwritesConflicts = false
    /// Whether the store carries out the changes of a key in the order in which they were asked for, whatever became of the answers:
    /// write-back mode, by its journal. Else full replacements and removals carry the version that they take the place of, where the
    /// store honours that, so that a request which arrives late changes nothing any more.
    public var ordersChanges = false
    /// Waits, at the end of the mount, until the store below has in the bucket what it has taken: write-back mode. Returns the number
    /// of changes that are left when the task is cancelled. Nil where a change is in the bucket once it is answered.
    public var settle: (@Sendable () async -> Int)?
    /// Waits until what the store has taken of a key is in the bucket: `fsync` with `--fsync=store`. Nil as above.
    public var settleKey: (@Sendable (_ key: String) async throws(StoreError) -> Void)?

    /// The most streams that list one directory.
    public static let mostListStreams = ListingPlan.mostStreams

    /// The defaults.
    public init() {}

    /// What of the limit is set aside for those who may go beyond the budget, in bytes: one upload and one writer, by a part each,
    /// where only uploads can free memory (``OverBudgetGate``). A part, but no more than an eighth of all.
    var overdraft: Int { min(Int(clamping: partSize), memoryLimit / 8) }

    /// What metadata may take, in bytes.
    var metadataLimit: Int { min(metadataShare ?? .max, memoryLimit / 2) }
}
