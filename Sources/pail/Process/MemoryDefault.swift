import SystemPackage

/// How much memory a mount takes where nobody says: 256 MiB, or a quarter of what the control group may have, if that is less.
///
/// In a container the limit is the control group's, and who goes beyond it is killed. The least limit on the way up to the root of the
/// hierarchy counts, of version 1 and 2 alike; see cgroups(7). Never under ``least``. What cannot be read sets no limit.
enum MemoryDefault {
    /// Without a limit, in bytes.
    static let most: Int64 = 256 << 20
    /// As little as a mount works with, in bytes: the lowest that `--memory` takes.
    static let least: Int64 = 32 << 20

    /// The default in bytes.
    /// - Parameter root: where the file systems are looked for; another one in tests.
    static func bytes(root: String = "") -> Int64 {
        guard let limit = limit(root: root) else { return most }
        return max(least, min(most, limit / 4))
    }

    /// The least memory limit of this process's control groups, in bytes; nil where there is none.
    private static func limit(root: String) -> Int64? {
        var limits: [Int64] = []
        for line in (read(root + "/proc/self/cgroup") ?? "").split(separator: "\n") {
            // ID:CONTROLLERS:PATH, with no controllers for version 2.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            if fields[1].isEmpty {
                limits += Self.limits(root + "/sys/fs/cgroup", path: fields[2], file: "memory.max")
            } else if fields[1].split(separator: ",").contains("memory") {
                limits += Self.limits(root + "/sys/fs/cgroup/memory", path: fields[2], file: "memory.limit_in_bytes")
            }
        }
        return limits.min()
    }

    /// The limits of a group and of those above it. Inside a container the path may be the host's and not be there; its root is.
    private static func limits(_ hierarchy: String, path: Substring, file: String) -> [Int64] {
        var parts = path.split(separator: "/")
        var limits: [Int64] = []
        while true {
            let directory = ([Substring(hierarchy)] + parts).joined(separator: "/")
            let text = read(directory + "/" + file) ?? ""
            // "max", or a number that no machine has, is no limit.
            if let limit = Int64(text.prefix { $0.isNumber }), limit > 0 { limits.append(limit) }
            if parts.isEmpty { return limits }
            parts.removeLast()
        }
    }

    private static func read(_ path: String) -> String? {
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly)
            return try file.closeAfter {
                let bytes = try [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
                    count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                return String(decoding: bytes, as: UTF8.self)
            }
        } catch {
            return nil
        }
    }
}
