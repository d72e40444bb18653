import CFuse
import Glibc
public import Logging
import SystemPackage

/// The directory that a file system is mounted on, and the checks before that.
///
/// A dead FUSE mount there (its process was killed: `ENOTCONN`, "Transport endpoint is not connected") is removed, and so are
/// dead ones under it. A living FUSE mount is refused. Mounts of other kinds are no obstacle: in a container the mount point is
/// usually a bind mount itself.
public struct MountPoint: Sendable, Hashable {
    /// The path: absolute, without symbolic links.
    public let path: String

    /// Mounts of dead processes may lie on each other; more than these say that something else is wrong.
    private static let maximumDeadMounts = 32

    /// Checks the directory and removes dead mounts from it. Blocks as long as stat(2) on the directory does.
    /// - Throws: ``MountError`` for whatever speaks against mounting there.
    public static func prepare(_ path: String, allowsNonEmpty: Bool, logger: Logger) throws(MountError) -> MountPoint {
        let resolved = try resolve(path)
        var removed = 0
        while let errno = status(resolved).failure {
            switch errno {
            case .noSuchFileOrDirectory: throw .mountPointMissing(resolved)
            case .notDirectory: throw .mountPointNotDirectory(resolved)
            case .socketNotConnected, .connectionAbort:
                guard removed < maximumDeadMounts else {
                    throw .deadMountStays(resolved, reason: "\(removed) were removed and there are more")
                }
                logger.warning("Removing a dead mount", metadata: ["mountPoint": "\(resolved)"])
                do { try unmount(resolved, lazy: true) } catch {
                    throw .deadMountStays(resolved, reason: "\(error)")
                }
                removed += 1
            default: throw .mountPointUnusable(resolved, errno)
            }
        }
        guard case .success(let mode) = status(resolved), mode & S_IFMT == S_IFDIR else {
            throw .mountPointNotDirectory(resolved)
        }
        if let top = MountTable.current().top(at: resolved), top.isFuse {
            throw .alreadyMounted(resolved, source: top.source, type: top.type)
        }
        if !allowsNonEmpty, try !isEmpty(resolved) { throw .mountPointNotEmpty(resolved) }
        return MountPoint(path: resolved)
    }

    /// The absolute path without symbolic links, of a directory that may be a dead mount: then only the way to it is
    /// followed, as realpath(3) cannot look at the last component.
    static func resolve(_ path: String) throws(MountError) -> String {
        if let whole = realpath(path, nil) {
            defer { free(whole) }
            return String(cString: whole)
        }
        let failure = Errno.last
        guard failure == .socketNotConnected || failure == .connectionAbort else {
            switch failure {
            case .noSuchFileOrDirectory: throw .mountPointMissing(path)
            case .notDirectory: throw .mountPointNotDirectory(path)
            default: throw .mountPointUnusable(path, failure)
            }
        }
        var components = FilePath(path)
        guard let last = components.lastComponent, last.kind == .regular else {
            throw .mountPointUnusable(path, failure)
        }
        components.removeLastComponent()
        let parent = components.isEmpty ? "." : components.string
        guard let start = realpath(parent, nil) else { throw .mountPointUnusable(path, .last) }
        defer { free(start) }
        return FilePath(String(cString: start)).appending(last).string
    }

    private static func status(_ path: String) -> Result<mode_t, Errno> {
        var status = stat()
        return lstat(path, &status) == 0 ? .success(status.st_mode) : .failure(.last)
    }

    private static func isEmpty(_ path: String) throws(MountError) -> Bool {
        guard let directory = opendir(path) else { throw .mountPointUnusable(path, .last) }
        defer { closedir(directory) }
        var entries = 0
        // `.` and `..` are two.
        while entries <= 2, readdir(directory) != nil { entries += 1 }
        return entries <= 2
    }
}

extension Result {
    /// The error, if it is one.
    var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
