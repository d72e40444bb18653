public import SystemPackage

/// Why a mount or unmount failed, in words for people.
public enum MountError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The mount point does not exist.
    case mountPointMissing(String)
    /// The mount point is no directory.
    case mountPointNotDirectory(String)
    /// A FUSE file system that answers is mounted there already.
    case alreadyMounted(String, source: String, type: String)
    /// The mount point has entries, and nobody allowed that.
    case mountPointNotEmpty(String)
    /// The mount point could not be looked at.
    case mountPointUnusable(String, Errno)
    /// A dead mount at the mount point could not be removed.
    case deadMountStays(String, reason: String)
    /// libfuse does not take the options, or could not set up its session.
    case session(String)
    /// The mount itself was refused.
    case refused(String, reason: String)
    /// The mount point is mounted but stat(2) on it fails.
    case notAnswering(String, Errno)
    /// A system call needed to run the mount failed.
    case system(String, Errno)
    /// Nothing is mounted there.
    case notMounted(String)
    /// The file system there is in use.
    case busy(String)
    /// The unmount failed for another reason.
    case unmountFailed(String, reason: String)

    /// One sentence without a full stop.
    public var description: String {
        switch self {
        case .mountPointMissing(let path): "the mount point \(path) does not exist"
        case .mountPointNotDirectory(let path): "the mount point \(path) is not a directory"
        case .alreadyMounted(let path, let source, let type):
            "\(source) (type \(type)) is mounted on \(path) already"
        case .mountPointNotEmpty(let path):
            "the mount point \(path) is not empty; mounting over it would hide what is in it (the option nonempty allows it)"
        case .mountPointUnusable(let path, let errno): "the mount point \(path) cannot be used: \(errno)"
        case .deadMountStays(let path, let reason): "a dead mount on \(path) could not be removed: \(reason)"
        case .session(let reason): "FUSE does not take the options: \(reason)"
        case .refused(let path, let reason): "mounting on \(path) failed: \(reason)"
        case .notAnswering(let path, let errno): "\(path) is mounted but does not answer: \(errno)"
        case .system(let call, let errno): "\(call) failed: \(errno)"
        case .notMounted(let path): "nothing is mounted on \(path)"
        case .busy(let path): "\(path) is in use; unmount lazily, or end the programs that use it (fuser -m \(path))"
        case .unmountFailed(let path, let reason): "unmounting \(path) failed: \(reason)"
        }
    }
}
