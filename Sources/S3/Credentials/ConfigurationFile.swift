internal import Glibc

/// A small file with settings or keys, read whole from this machine's disk.
enum ConfigurationFile {
    /// What tells that a file changed: all that `stat(2)` shows of its content and its permissions. Nil stands for no file.
    struct Stamp: Sendable, Equatable {
        var device: UInt64
        var inode: UInt64
        var mode: UInt32
        var size: Int64
        var modified: Int64
        var modifiedNanoseconds: Int
        var changed: Int64
        var changedNanoseconds: Int

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            mode = status.st_mode
            size = Int64(status.st_size)
            modified = Int64(status.st_mtim.tv_sec)
            modifiedNanoseconds = status.st_mtim.tv_nsec
            changed = Int64(status.st_ctim.tv_sec)
            changedNanoseconds = status.st_ctim.tv_nsec
        }
    }

    /// A longer file is none of those that are meant: a wrong path, or something that grows without end.
    static let maximumSize = 1 << 20

    /// The file's stamp now; nil where it cannot be seen. One system call.
    static func stamp(of path: String) -> Stamp? {
        var status = stat()
        return stat(path, &status) == 0 ? Stamp(status) : nil
    }

    /// Reads a file, or returns nil where there is none.
    ///
    /// - Parameter objection: looks at `st_mode` of the opened file, so that nobody can swap it after the look, and says
    ///   why it must not be used.
    static func read(_ path: String, objection: (UInt32) -> String? = { _ in nil })
        throws(ConfigurationError) -> [UInt8]?
    {
        // O_NONBLOCK: a FIFO of that name must not hold the mount up.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw ConfigurationError(file: path, "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw ConfigurationError(file: path, "cannot be read: \(String(cString: strerror(errno)))")
        }
        // /dev/null (1:3) is how people say "no file": it reads as an empty one.
        if status.st_mode & S_IFMT == S_IFCHR, status.st_rdev == 0x103 { return [] }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ConfigurationError(file: path, "this is no regular file")
        }
        if let reason = objection(status.st_mode) { throw ConfigurationError(file: path, reason) }
        guard status.st_size <= maximumSize else {
            throw ConfigurationError(file: path, "longer than 1 MiB: this is no file with settings")
        }
        var bytes = [UInt8](repeating: 0, count: maximumSize + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                throw ConfigurationError(file: path, "cannot be read: \(String(cString: strerror(errno)))")
            }
            if got == 0 { return Array(bytes[..<count]) }
            count += got
        }
        throw ConfigurationError(file: path, "longer than 1 MiB: this is no file with settings")
    }
}
