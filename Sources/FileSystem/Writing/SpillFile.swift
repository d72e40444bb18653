import CLinux

#if canImport(Glibc)
    import Glibc
#endif
import Synchronization
import SystemPackage

/// The spill file could not be made, written or read.
struct SpillError: Error, Sendable, Equatable {
    /// What the kernel said.
    var errno: Errno
}

/// Staged bytes that memory has no room for: a sparse file without a name.
///
/// The file has no name from the start (O_TMPFILE, or open and unlink where the file system has none), so nothing is left
/// behind when the process dies. Space is handed out in blocks; what is freed is handed out again, or punched out of the
/// file by ``trim()``. Freeing itself makes no system call, because it happens under a file's lock.
///
/// A full or failing disk shows in ``write(_:at:)``, before the file system says that it took the bytes. Limit: an error of
/// the disk *after* the kernel took the bytes into its page cache shows only when they are read back, as EIO at best.
///
/// See open(2), fallocate(2), pread(2).
final class SpillFile: Sendable {
    private struct Space {
        var end: Int64 = 0
        /// Freed and punched out, or about to be.
        var free: [Range<Int64>] = []
        /// Of those, not yet punched out.
        var unpunched: [Range<Int64>] = []
        var used: Int64 = 0
    }

    private let descriptor: Int32
    private let space = Mutex(Space())

    /// A new file in `directory`, which exists.
    init(directory: String) throws(SpillError) {
        // O_TMPFILE, which Glibc's module leaves out: the same on all of Linux's architectures but alpha, parisc and sparc.
        var descriptor = open(directory, 0o20000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor < 0, [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) {
            let name = directory + "/.pail-spill-" + String(UInt64.random(in: .min ... .max), radix: 36)
            descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            if descriptor >= 0 { unlink(name) }
        }
        guard descriptor >= 0 else { throw SpillError(errno: Errno(rawValue: errno)) }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Bytes handed out and not freed.
    var used: Int64 { space.withLock { $0.used } }

    /// Takes `count` bytes of the file, from the offset returned on. No system call.
    func allocate(_ count: Int) -> Int64 {
        let count = Int64(count)
        return space.withLock { space in
            space.used += count
            if let index = space.free.lastIndex(where: { Int64($0.count) >= count }) {
                let found = space.free[index]
                if Int64(found.count) == count {
                    space.free.remove(at: index)
                } else {
                    space.free[index] = found.lowerBound + count..<found.upperBound
                }
                // What is taken again must not be punched out later.
                let taken = found.lowerBound..<found.lowerBound + count
                space.unpunched = space.unpunched.flatMap { Self.subtract(taken, from: $0) }
                return found.lowerBound
            }
            defer { space.end += count }
            return space.end
        }
    }

    /// Gives bytes back. No system call: see ``trim()``.
    func free(_ range: Range<Int64>) {
        space.withLock { space in
            space.used -= Int64(range.count)
            space.unpunched.append(range)
            if let index = space.free.firstIndex(where: { $0.upperBound == range.lowerBound }) {
                space.free[index] = space.free[index].lowerBound..<range.upperBound
            } else if let index = space.free.firstIndex(where: { $0.lowerBound == range.upperBound }) {
                space.free[index] = range.lowerBound..<space.free[index].upperBound
            } else {
                space.free.append(range)
            }
        }
    }

    /// Gives freed space back to the disk. May wait for the disk: not to be called under a lock, nor on a thread that must not wait.
    func trim() {
        // Out of the free list while it is punched, so that nobody writes there meanwhile.
        let taken: [Range<Int64>] = space.withLock { space in
            let taken = space.unpunched
            guard !taken.isEmpty else { return [] }
            for range in taken { space.free = space.free.flatMap { Self.subtract(range, from: $0) } }
            space.unpunched = []
            return taken
        }
        guard !taken.isEmpty else { return }
        for range in taken {
            // Where the file system cannot punch holes the space is used again all the same.
            _ = pail_punch_hole(descriptor, range.lowerBound, Int64(range.count))
        }
        space.withLock { $0.free.append(contentsOf: taken) }
    }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SpillError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + Int64(done)))
            if count > 0 {
                done += count
            } else if count == 0 {
                throw SpillError(errno: .ioError)
            } else if errno != EINTR {
                throw SpillError(errno: Errno(rawValue: errno))
            }
        }
    }

    /// Fills `buffer` from `offset` on.
    func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(SpillError) {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + Int64(done)))
            if count > 0 {
                done += count
            } else if count == 0 {
                throw SpillError(errno: .ioError)
            } else if errno != EINTR {
                throw SpillError(errno: Errno(rawValue: errno))
            }
        }
    }

    /// Bytes that the disk has free for this process.
    var freeDiskSpace: Int64 {
        var information = statvfs()
        guard fstatvfs(descriptor, &information) == 0 else { return 0 }
        return Int64(clamping: UInt64(information.f_bavail)) * Int64(information.f_frsize)
    }

    private static func subtract(_ hole: Range<Int64>, from range: Range<Int64>) -> [Range<Int64>] {
        guard range.overlaps(hole) else { return [range] }
        var rest: [Range<Int64>] = []
        if range.lowerBound < hole.lowerBound { rest.append(range.lowerBound..<hole.lowerBound) }
        if hole.upperBound < range.upperBound { rest.append(hole.upperBound..<range.upperBound) }
        return rest
    }
}
