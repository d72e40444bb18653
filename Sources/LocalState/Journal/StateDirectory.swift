import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The directory that holds one mount's local state, owned by this process as long as this value is open.
///
/// **Problem.** Two processes that upload from one journal would undo each other's work.
///
/// **Design.** The file `lock` is held by flock(2) for life: the kernel lets go of it however the process ends, so nothing
/// is ever stale. It holds the owner's pid as text, only for the message that a second process gives.
///
/// **Limits.** The directory is to be on a local file system: flock(2) on NFS is as good as the server.
public final class StateDirectory: Sendable {
    /// Where it is.
    public let path: String

    private let descriptor: Mutex<Int32>

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = Mutex(descriptor)
    }

    deinit { close() }

    /// A name for the state of one mounted prefix, unique and readable: what names the bucket, then a hash of all of it.
    public static func identifier(endpoint: String, bucket: String, prefix: String) -> String {
        // FNV-1a: short, stable from build to build. The parts are divided by what none of them may hold.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in (endpoint + "\n" + bucket + "\n" + prefix).utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        let readable = (bucket + (prefix.isEmpty ? "" : "-" + prefix)).utf8.prefix(64).map { byte -> Character in
            let isPlain = (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte)
            return isPlain || byte == UInt8(ascii: "-") ? Character(Unicode.Scalar(byte)) : "_"
        }
        return String(readable) + "-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Makes the directory where it is not there (for its owner alone; its parent exists), and takes it for this process.
    ///
    /// Waits for the disk. See flock(2).
    /// - Throws: `inUse` where another process has it, or another part of this one.
    public static func open(_ path: String) throws(LocalStateError) -> StateDirectory {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system(errno, path, "mkdir") }
        let file = path + "/lock"
        let descriptor = Glibc.open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(errno, file, "open") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let failure = errno
            defer { Glibc.close(descriptor) }
            guard failure == EWOULDBLOCK else { throw .system(failure, file, "flock") }
            throw LocalStateError(.inUse(pid: owner(descriptor)), path: path)
        }
        let text = Array("\(getpid())\n".utf8)
        // Only for messages: a full disk does not keep anybody out.
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
        return StateDirectory(path: path, descriptor: descriptor)
    }

    private static func owner(_ descriptor: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// Gives the directory up. Once it is, other calls do nothing.
    public func close() {
        let taken = descriptor.withLock { descriptor in
            defer { descriptor = -1 }
            return descriptor
        }
        guard taken >= 0 else { return }
        // Closing alone leaves the lock with a child that another thread is starting just now: between fork(2) and exec(3) it has this
        // descriptor too. Unlocking one of them unlocks them all.
        flock(taken, LOCK_UN)
        Glibc.close(taken)
    }

    /// Makes the names in a directory durable: fsync(2) of the directory.
    static func synchronize(_ path: String) throws(LocalStateError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(errno, path, "open") }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system(errno, path, "fsync") }
    }
}
