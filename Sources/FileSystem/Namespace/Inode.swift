internal import ObjectStore
import Synchronization

/// One file, directory, link or device as the mount knows it: its attributes, what the bucket holds of it, and its content
/// while somebody has it open.
///
/// **Problem.** What `stat` shows comes from three places: the object's headers, a listing, and what this mount has changed
/// and not stored yet. What is local wins over what the store says until it is stored.
///
/// **Design.** `state` is read and changed under a lock that is never kept over a wait; `gate` is taken by the tasks that
/// send an inode's mutations (commit, change of attributes, rename, unlink), so that these follow one another. The type
/// never changes: an object of another type, or another version of a file whose handles have read from the old one, is a
/// new inode.
final class Inode: Sendable {
    /// What may change of an inode.
    struct State: Sendable {
        /// `st_ino`
        let number: UInt64
        /// Mode, owner, times, extended attributes: as stored, or as they shall be.
        var attributes: StoredAttributes
        /// The size in bytes of a file's stored content.
        var size: Int64 = 0
        /// The headers as the store has them, other tools' included.
        var metadata = ObjectMetadata()
        /// The content that the bucket holds; nil while nothing is stored, and for directories without a marker.
        var version: ObjectVersion?
        /// What the bucket still holds under the name of a file that was never stored: the version that a rename has replaced,
        /// which stays until the first commit overwrites it. Who removes or renames the file removes that too.
        var covered: ObjectVersion?
        /// When the store took that content.
        var lastModified: Timestamp?
        /// When the store's answer that this rests on was asked for.
        var seen: Moment
        /// Whether the headers are known; otherwise only what a listing tells.
        var isComplete = false
        /// Attributes were changed here and are to be stored with the next commit.
        var hasUnstoredAttributes = false
        /// The content with its changes: there while the file is open for writing or not wholly stored.
        var staged: StagedFile?
        /// The stored content's reader: there while the file is open.
        var reader: ObjectReader?
        /// Open handles, and those of them that may write.
        var handles = 0
        var writers = 0
        /// Removed, or replaced by another: no key is its own any more.
        var isUnlinked = false
        /// Removed or replaced on the bucket by somebody else: what was not read of the content is gone, and who opens it must
        /// look the name up again.
        var isSuperseded = false
        /// An exchange is moving its object from key to key: no answer of the store counts meanwhile, and nothing that rests on
        /// the key may begin.
        var isMoving = false
        /// The content must not be stored over an object that somebody else has made (`O_EXCL`).
        var isExclusive = false
        /// The version that the kernel's cached pages show, if it may have any.
        var pageCacheVersion: ETag?
        /// The largest size that the kernel may still believe in though somebody else has stored another version since: see
        /// ``BucketFileSystem/tellSize(of:whileReading:)``. Nil where it knows the present one.
        var sizeBelieved: Int64?
        /// An open handle has been given bytes of `version`, or may find some in the kernel's pages.
        var hasServedReads = false
        /// Files whose next commit copies from the version here: see ``BucketFileSystem/settleCopies(of:)``.
        var copies: [WeakInode] = []
        /// A symbolic link's target, once read.
        var linkTarget: [UInt8]?
        /// When entries were last made or removed here: directories only, and not stored.
        var touched: Timestamp?
        /// When it was last read here, as relatime has it: shown, and stored along with whatever is stored next.
        var accessed: Timestamp?
        /// What this machine's disk keeps of changes that the store did not take: see ``BucketFileSystem/keepUnstored(_:error:isLast:)``.
        var kept: Kept?
        /// Where the content of an unlinked but open file is kept.
        var hiddenKey: ObjectKey?

        /// Whether what is known here goes beyond what the store has, and so needs no confirmation by it.
        var isLocal: Bool { isUnstored || isUnlinked || isMoving }
        /// Whether the store lacks something of it.
        private var isUnstored: Bool { hasUnstoredAttributes || (staged?.isDirty ?? false) || isNeverStored }
        /// A file that exists only here so far.
        var isNeverStored: Bool { version == nil && attributes.type != .directory }
        /// Drops the staging that nobody writes to and that holds nothing unstored. A file without a name is never stored: its
        /// staging is its content, as long as somebody has it open.
        mutating func dropStaged() {
            guard let staged, writers == 0, !isDirty, !(isUnlinked && handles > 0) else { return }
            size = staged.size
            self.staged = nil
        }

        /// Drops the reader when the last handle is closed, and returns it. Whoever opens the file next may meet another version.
        @discardableResult mutating func dropReader() -> ObjectReader? {
            defer { reader = nil }
            hasServedReads = false
            return reader
        }

        /// Whether there is something to commit.
        var isDirty: Bool { !isUnlinked && attributes.type != .directory && isUnstored }

        /// Whether something was written to a file that somebody else has replaced or removed since it was opened: see
        /// ``BucketFileSystem/commitSuperseded(_:_:)``.
        var isSupersededAndDirty: Bool { isSuperseded && (staged?.isDirty ?? false) }

        /// Whether a close has something to do.
        var needsCommit: Bool { isDirty || isSupersededAndDirty }
    }

    /// A content in the ``UnstoredLog``, and which state of the file it is.
    struct Kept: Sendable {
        /// Its number there.
        var number: Int64
        /// The file's size then, in bytes.
        var size: Int64
        /// The file's change time then.
        var changed: Timestamp
        /// The headers that it is to be stored with.
        var metadata: ObjectMetadata

        /// Whether the file has not been changed since.
        func isOf(_ state: State) -> Bool { size == state.staged?.size && changed == state.attributes.changeTime }
    }

    /// The kernel's number for it.
    let node: NodeID
    /// `st_ino`
    let number: UInt64
    /// The kind of file: it never changes.
    let type: FileType
    /// Taken by what changes the object on the bucket.
    let gate = AsyncMutex()
    /// What may change.
    let state: Mutex<State>

    /// An inode in the given state.
    init(node: NodeID, state: State) {
        self.node = node
        number = state.number
        type = state.attributes.type
        self.state = Mutex(state)
    }

    /// Whether it must stay although the kernel has forgotten it: what is open, what is not stored, and what another file is still to
    /// be copied from, which only this inode knows.
    var isBusy: Bool {
        let (isOpenOrDirty, copies) = state.withLock { ($0.handles > 0 || $0.isDirty, $0.copies) }
        // Outside the lock: no two inodes' locks are held at once.
        return isOpenOrDirty
            || copies.contains { $0.inode?.state.withLock { $0.staged?.hasForeignBase ?? false } ?? false }
    }

    /// What `stat` shows now: the size of an open file is that of its content as written so far.
    var attributes: FileAttributes { state.withLock { Self.view($0) } }

    /// What `stat` shows for a state.
    static func view(_ state: borrowing State) -> FileAttributes {
        var view = state.attributes.fileAttributes(inode: state.number, size: state.staged?.size ?? state.size)
        if let accessed = state.accessed { view.accessTime = accessed }
        if state.isUnlinked { view.links = 0 }
        return view
    }
}

/// An inode, if it is still known.
struct WeakInode: Sendable {
    /// The inode.
    weak let inode: Inode?
}
