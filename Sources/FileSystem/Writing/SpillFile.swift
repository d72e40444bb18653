import CLinux
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// The spill file could not be made, written or read, or gives other bytes than were written.
struct SpillError: Error, Sendable, Equatable {
    /// What the kernel said, or EIO.
    var errno: Errno
    /// What was read is not what was written, by its checksum.
    var isDamaged = false
}

extension SpillError: CustomStringConvertible {
    /// For the log.
    var description: String {
        isDamaged
            ? "the local disk gives other bytes than were written to it (checksum); they are not uploaded" : "\(errno)"
    }
}

/// Staged bytes that memory has no room for: a sparse file without a name.
///
/// The file has no name from the start (O_TMPFILE, or open and unlink where the file system has none), so nothing is left
/// behind when the process dies. Space is handed out in pages; what is freed is handed out again, or punched out of the
/// file by ``trim(above:)``. Freeing itself makes no system call, because it happens under a file's lock.
///
/// A full or failing disk shows in ``write(_:at:)``, before the file system says that it took the bytes. An error of the disk
/// *after* the kernel took the bytes into its page cache shows only when they are read back: what a ``StagingBlock`` has
/// written is checked by its sums then (``WrittenSums``).
///
/// See open(2), fallocate(2), pread(2).
final class SpillFile: Sendable {
    private struct Space {
        var end: Int64 = 0
        /// Freed, still holding disk space, open to be taken again.
        var free: [Range<Int64>] = []
        var freeBytes: Int64 = 0
        var used: Int64 = 0
        /// Whether the file system can give parts of a file back.
        var canPunch = true
    }

    /// Space is handed out in multiples of this, the unit in which file systems give it back.
    static let pageSize: Int64 = 4096
    /// So many of the last freed ranges are looked at for a taker; others are punched out in time.
    private static let reuseDepth = 8

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

    /// Whether there is something to give back to the disk.
    var hasFreeSpace: Bool { space.withLock { $0.freeBytes > 0 && $0.canPunch } }

    /// The bytes that `count` bytes take.
    private static func rounded(_ count: Int64) -> Int64 { (count + pageSize - 1) / pageSize * pageSize }

    /// Takes `count` bytes of the file, from the offset returned on. No system call.
    func allocate(_ count: Int) -> Int64 {
        let count = Self.rounded(Int64(count))
        return space.withLock { space in
            space.used += count
            for index in space.free.indices.suffix(Self.reuseDepth).reversed() {
                let found = space.free[index]
                guard Int64(found.count) >= count else { continue }
                space.freeBytes -= count
                if Int64(found.count) == count {
                    space.free.remove(at: index)
                } else {
                    space.free[index] = found.lowerBound + count..<found.upperBound
                }
                return found.lowerBound
            }
            defer { space.end += count }
            return space.end
        }
    }

    /// Gives the `count` bytes back that were taken at `offset`. No system call: see ``trim(above:)``.
    func free(at offset: Int64, count: Int) {
        let count = Self.rounded(Int64(count))
        space.withLock { space in
            space.used -= count
            space.freeBytes += count
            if let last = space.free.last, last.upperBound == offset {
                space.free[space.free.count - 1] = last.lowerBound..<offset + count
            } else {
                space.free.append(offset..<offset + count)
            }
        }
    }

    /// Gives freed space back to the disk where there is more of it than `threshold` bytes. May wait for the disk: not to be
    /// called under a lock.
    func trim(above threshold: Int64) {
        // Off the list while they are punched, so that nobody writes there meanwhile.
        let taken: [Range<Int64>] = space.withLock { space in
            guard space.canPunch, space.freeBytes > threshold else { return [] }
            let taken = space.free
            space.free = []
            space.freeBytes = 0
            return taken
        }
        var pending: Range<Int64>?
        for range in taken.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let begun = pending, begun.upperBound == range.lowerBound {
                pending = begun.lowerBound..<range.upperBound
            } else {
                if let pending { punch(pending) }
                pending = range
            }
        }
        if let pending { punch(pending) }
    }

    private func punch(_ range: Range<Int64>) {
        // What is punched out is not taken again: offsets of a sparse file cost nothing.
        guard pail_punch_hole(descriptor, range.lowerBound, Int64(range.count)) != 0 else { return }
        let cannot = errno == EOPNOTSUPP || errno == ENOSYS
        space.withLock { space in
            if cannot { space.canPunch = false }
            space.free.append(range)
            space.freeBytes += Int64(range.count)
        }
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
}
