import Glibc

/// Whether a process has a file open more than once: the difference between the close(2) that ends a program's writing and
/// that of a descriptor which fork or dup made.
///
/// Reads `ino:` of /proc/PID/fdinfo/* (Linux 5.14 and later). It can only tell what is true at the moment, and only of
/// processes whose /proc this one may read; it costs a few microseconds per descriptor and no request.
public enum DescriptorProbe {
    /// How many descriptors are looked at. A process with more is a server that keeps many files open; answering "no" there
    /// stores the file at close, which is safe.
    private static let maximumDescriptors = 512

    /// Whether process `pid` has, right now, a descriptor open on a file whose `st_ino` is `inode`. While the kernel waits
    /// for the answer to a FLUSH, the descriptor being closed is out of the table already, so any hit is another one.
    ///
    /// - Returns: False for pid 0 (the caller lives in a pid namespace that we do not see), a process that is gone, or one
    ///   whose table we may not read.
    public static func hasOtherDescriptors(pid: Int32, inode: UInt64) -> Bool {
        guard pid > 0 else { return false }
        let directory = open("/proc/\(pid)/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return false }
        guard let stream = fdopendir(directory) else {
            close(directory)
            return false
        }
        defer { closedir(stream) }
        var seen = 0
        while seen < maximumDescriptors, let entry = readdir(stream) {
            let found = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { name -> Bool in
                    guard name.pointee != CChar(UInt8(ascii: ".")) else { return false }
                    seen += 1
                    return Self.inode(ofEntry: name, in: dirfd(stream)) == inode
                }
            }
            if found { return true }
        }
        return false
    }

    private static func inode(ofEntry name: UnsafePointer<CChar>, in directory: Int32) -> UInt64? {
        let descriptor = openat(directory, name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // pos, flags, mnt_id and ino come first; what follows (locks, eventfd counts) is of no interest.
        return withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer in
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            guard count > 0 else { return nil }
            return parseInode(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// The number in the line `ino:\t123`.
    static func parseInode(_ text: UnsafeRawBufferPointer) -> UInt64? {
        for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: "ino:".utf8) {
            var value: UInt64 = 0
            var digits = 0
            for byte in line.dropFirst(4) where byte != UInt8(ascii: " ") && byte != UInt8(ascii: "\t") {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                guard !overflow else { return nil }
                value = product &+ UInt64(byte - UInt8(ascii: "0"))
                digits += 1
            }
            return digits > 0 ? value : nil
        }
        return nil
    }
}
