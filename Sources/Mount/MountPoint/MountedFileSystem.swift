import Glibc

/// A FUSE file system as the kernel's mount table shows it: found by any path in it.
public struct MountedFileSystem: Sendable, Equatable {
    /// Where it is mounted, without symbolic links.
    public var mountPoint: String
    /// What is mounted, such as `s3://bucket`.
    public var source: String
    /// The type, such as `fuse.pail`.
    public var type: String
    /// The device number, `major:minor`: the same wherever the file system is mounted, in other mount namespaces too.
    public var device: String

    /// All FUSE file systems that this process sees, in the order of the mount table. Asks none of them.
    public static func all() -> [MountedFileSystem] {
        MountTable.current().entries.filter(\.isFuse).map { MountedFileSystem($0) }
    }

    /// The file system that `path` lies in, and the path below its mount point: empty for the mount point itself.
    ///
    /// Asks only the mount table, so that a mount that does not answer is found too; `path` is absolute, and symbolic links in
    /// it count for what they say.
    /// - Throws: `notMounted` where the file system is no FUSE mount.
    public static func containing(_ path: String) throws(MountError) -> (mount: MountedFileSystem, below: String) {
        let entries = MountTable.current().entries
        var components = path.split(separator: "/", omittingEmptySubsequences: true)
        var below: [Substring] = []
        while true {
            let point = "/" + components.joined(separator: "/")
            if let entry = entries.last(where: { $0.mountPoint.elementsEqual(point.utf8) }) {
                guard entry.isFuse else { throw .notMounted(path) }
                return (MountedFileSystem(entry), below.reversed().joined(separator: "/"))
            }
            guard let last = components.popLast() else { throw .notMounted(path) }
            below.append(last)
        }
    }

    private init(_ entry: MountTable.Entry) {
        mountPoint = String(decoding: entry.mountPoint, as: UTF8.self)
        source = entry.source
        type = entry.type
        device = "\(entry.major):\(entry.minor)"
    }
}
