internal import ObjectStore
import Synchronization

/// A file that somebody has open.
final class OpenFile: Sendable {
    /// The file.
    let inode: Inode
    /// How it was opened.
    let flags: OpenFlags
    /// The reader's place in it.
    let stream: ReadStream
    /// Its content with the changes: where it may be written through this handle.
    let staged: StagedFile?
    /// This handle made the file.
    let isCreator: Bool
    /// Something was written through this handle.
    let hasWritten = Atomic<Bool>(false)
    private let hasRead = Atomic<Bool>(false)
    private let hasBegun = Atomic<Bool>(false)

    /// A handle on an inode; the caller counts it there.
    init(inode: Inode, flags: OpenFlags, stream: ReadStream, staged: StagedFile?, isCreator: Bool = false) {
        self.inode = inode
        self.flags = flags
        self.stream = stream
        self.staged = staged
        self.isCreator = isCreator
    }

    /// Whether nobody has asked this before: the read at hand is the handle's first.
    var isFirstRead: Bool {
        // A load first: the line of memory is shared by all who read through the handle.
        !hasRead.load(ordering: .relaxed) && !hasRead.exchange(true, ordering: .relaxed)
    }

    /// Whether a read at `offset` is the handle's first one of the file's beginning.
    func isBeginning(_ offset: Int64) -> Bool {
        offset == 0 && !hasBegun.load(ordering: .relaxed) && !hasBegun.exchange(true, ordering: .relaxed)
    }
}

/// What the kernel has open, by handle number.
struct HandleTable {
    private var next: UInt64 = 1
    private var files: [UInt64: OpenFile] = [:]
    private var directories: [UInt64: DirectoryStream] = [:]

    /// Adds an open file.
    mutating func add(_ file: OpenFile) -> HandleID {
        defer { next += 1 }
        files[next] = file
        return HandleID(rawValue: next)
    }

    /// Adds an open directory.
    mutating func add(_ directory: DirectoryStream) -> HandleID {
        defer { next += 1 }
        directories[next] = directory
        return HandleID(rawValue: next)
    }

    /// The open file of a handle.
    func file(_ handle: HandleID) -> OpenFile? { files[handle.rawValue] }
    /// The open directory of a handle.
    func directory(_ handle: HandleID) -> DirectoryStream? { directories[handle.rawValue] }
    /// Takes an open file out.
    mutating func removeFile(_ handle: HandleID) -> OpenFile? { files.removeValue(forKey: handle.rawValue) }
    /// Takes an open directory out.
    mutating func removeDirectory(_ handle: HandleID) -> DirectoryStream? {
        directories.removeValue(forKey: handle.rawValue)
    }
    /// All open files.
    var allFiles: [OpenFile] { Array(files.values) }
}
