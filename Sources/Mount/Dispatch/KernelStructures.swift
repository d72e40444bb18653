import CFuse
import FileSystem
import Glibc
import ObjectStore

/// The kernel's shapes of what the file system answers.
extension FileAttributes {
    /// What programs take as the best size for I/O (`st_blksize`): glibc's stdio, Python and others size their buffers by it,
    /// and every buffer is a request to us as long as the kernel does not cache writes. At 4 KiB a program that writes by stdio
    /// gets 150 MB/s; 128 KiB asks for a 32nd of the requests, and is still little memory per open file. cp and cat use more
    /// on their own.
    static let blockSize = 128 << 10

    /// As stat(2) shows it.
    var status: stat {
        var status = stat()
        status.st_ino = UInt(inode)
        status.st_mode = mode
        // No hard links: one name a file; and 1 for directories tells find(1) not to count subdirectories by it.
        status.st_nlink = UInt(links)
        status.st_uid = owner
        status.st_gid = group
        status.st_size = off_t(size)
        status.st_blksize = blksize_t(Self.blockSize)
        status.st_blocks = blkcnt_t(size / 512 + (size % 512 > 0 ? 1 : 0))
        status.st_rdev = UInt(device)
        status.st_atim = accessTime.timespec
        status.st_mtim = modificationTime.timespec
        status.st_ctim = changeTime.timespec
        return status
    }
}

extension Timestamp {
    /// As a C structure.
    var timespec: Glibc.timespec { Glibc.timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)) }

    /// From a C structure.
    init(_ time: Glibc.timespec) { self.init(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec)) }
}

extension Entry {
    /// As FUSE's protocol hands it over.
    var parameters: fuse_entry_param {
        var parameters = fuse_entry_param()
        parameters.ino = node.rawValue
        parameters.generation = generation
        parameters.attr = attributes.status
        parameters.attr_timeout = attributeLifetime
        parameters.entry_timeout = nameLifetime
        return parameters
    }
}

extension OpenReply {
    /// As FUSE's protocol hands it over. A handle that cannot write has nothing to store at close(2): the kernel then need
    /// not send a FLUSH, which saves one of the four requests that reading a small file costs.
    func fileInfo(flags: OpenFlags) -> fuse_file_info {
        var info = fuse_file_info()
        info.fh = handle.rawValue
        info.keep_cache = keepsPageCache ? 1 : 0
        info.direct_io = isDirect ? 1 : 0
        info.noflush = flags.isWritable ? 0 : 1
        return info
    }
}

extension AttributeChanges {
    /// What a SETATTR asks for: the fields of `status` that `set` (`FUSE_SET_ATTR_…`) names.
    init(_ status: stat, set: Int32) {
        self.init()
        if set & FUSE_SET_ATTR_MODE != 0 { permissions = status.st_mode & 0o7777 }
        if set & FUSE_SET_ATTR_UID != 0 { owner = status.st_uid }
        if set & FUSE_SET_ATTR_GID != 0 { group = status.st_gid }
        if set & FUSE_SET_ATTR_SIZE != 0 { size = Int64(status.st_size) }
        if set & FUSE_SET_ATTR_ATIME_NOW != 0 {
            accessTime = .now
        } else if set & FUSE_SET_ATTR_ATIME != 0 {
            accessTime = .at(Timestamp(status.st_atim))
        }
        if set & FUSE_SET_ATTR_MTIME_NOW != 0 {
            modificationTime = .now
        } else if set & FUSE_SET_ATTR_MTIME != 0 {
            modificationTime = .at(Timestamp(status.st_mtim))
        }
        if set & FUSE_SET_ATTR_CTIME != 0 { changeTime = Timestamp(status.st_ctim) }
    }
}
