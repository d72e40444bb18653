import CLinux
import Glibc
public import Metrics
import SystemPackage

/// The verbs of the file system, as they are counted.
public enum FileSystemOperation: Int, Sendable, CaseIterable {
    case lookup, getattr, setattr, readlink, mknod, mkdir, unlink, rmdir, symlink, rename, link, open, read, write,
        statfs,
        release, fsync, setxattr, getxattr, listxattr, removexattr, flush, opendir, readdir, releasedir, fsyncdir,
        create,
        fallocate, lseek
    case copyFileRange
    case forget

    /// The name as FUSE has it: `copy_file_range`.
    public var name: String {
        switch self {
        case .copyFileRange: "copy_file_range"
        default: "\(self)"
        }
    }
}

/// What programs asked of a mount, how it answered and how long that took.
///
/// A time runs from the request's arrival to its answer's being handed to the kernel. What the kernel answers from its own caches
/// (pages that were read before, attributes that are fresh) never gets here.
///
/// **Cost.** Two looks at the clock and three to five atomic additions a request, some 0.2 µs in all; no lock, no allocation.
public final class OperationMetrics: Sendable {
    /// Linux' errno go to 133.
    private static let errors = 134

    private let latency = LatencyTable(rows: FileSystemOperation.allCases.count)
    private let failures = CounterTable(FileSystemOperation.allCases.count * errors)
    private let waits = CounterTable(FileSystemOperation.allCases.count)
    private let bytes = CounterTable(3)

    /// Nothing yet.
    public init() {}

    // MARK: Counting

    func ended(_ operation: FileSystemOperation, nanoseconds: UInt64, waited: Bool) {
        latency.add(nanoseconds: nanoseconds, to: operation.rawValue)
        if waited { waits.add(at: operation.rawValue) }
    }

    func failed(_ operation: FileSystemOperation, _ error: Errno) {
        let number = Int(error.rawValue)
        failures.add(at: operation.rawValue * Self.errors + ((1..<Self.errors).contains(number) ? number : 0))
    }

    func read(_ count: Int, waited: Bool) { bytes.add(UInt64(max(0, count)), at: waited ? 1 : 0) }

    func written(_ count: Int) { bytes.add(UInt64(max(0, count)), at: 2) }

    // MARK: Reading

    /// How long the requests of a verb took.
    public func latency(of operation: FileSystemOperation) -> LatencyTable.Row { latency[operation.rawValue] }

    /// How many requests of a verb could not be answered from memory at once: they waited for the store or the disk.
    public func waits(of operation: FileSystemOperation) -> UInt64 { waits[operation.rawValue] }

    /// The errors that a verb was answered with, by name: `ENOENT`.
    public func errors(of operation: FileSystemOperation) -> [(name: String, count: UInt64)] {
        (0..<Self.errors).compactMap { number in
            let count = failures[operation.rawValue * Self.errors + number]
            guard count > 0 else { return nil }
            return (pail_errno_name(Int32(number)).map { String(cString: $0) } ?? "other", count)
        }
    }

    /// Bytes that programs read: from memory, and after a wait.
    public var bytesRead: (fromMemory: UInt64, afterWait: UInt64) { (bytes[0], bytes[1]) }

    /// Bytes that programs wrote.
    public var bytesWritten: UInt64 { bytes[2] }
}
