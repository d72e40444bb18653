import Glibc

/// Whether a process is one of the programs that make files by `O_EXCL` only so as to overwrite none: cp, tar and their like.
///
/// `O_EXCL` is also how lock files are made, and whoever gets one must have it alone from open(2) on: that costs a request of its own,
/// before the content's. For a copy it is enough that the upload of the content is refused where the name is taken: half the requests.
/// Which of the two a program means can only be told by what it is.
///
/// Reads /proc/PID/comm: some 20 microseconds, no request.
public enum CopyingProgram {
    /// Names as the kernel has them (`comm`, 15 bytes at most; a busybox has its applet's).
    static let names: Set<String> = [
        "tar", "gtar", "bsdtar", "star", "cpio", "bsdcpio", "cp", "mv", "install", "rsync", "unzip", "bsdunzip",
    ]

    /// Whether process or thread `pid` is such a program now.
    ///
    /// - Returns: False for pid 0 (the caller lives in a pid namespace that we do not see) and for a process that is gone.
    public static func isOne(pid: Int32) -> Bool {
        guard pid > 0 else { return false }
        let descriptor = open("/proc/\(pid)/comm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            guard count > 1 else { return false }
            let name = buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }
            return names.contains(String(decoding: name, as: UTF8.self))
        }
    }
}
