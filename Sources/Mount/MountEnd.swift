/// How a mount ended.
public struct MountEnd: Sendable, Equatable {
    /// Who ended it.
    public enum Cause: Sendable, Equatable {
        /// `fusermount3 -u` or `umount`, by somebody else.
        case unmounted
        /// This signal.
        case signal(Int32)
        /// ``FuseMount/stop()``.
        case stopped
    }

    /// Who ended it.
    public var cause: Cause
    /// The number of files whose data is not in the store; nil where the file system did not even say.
    public var undrainedFiles: Int?

    /// Whether all is stored: the process may exit with status 0.
    public var isComplete: Bool { undrainedFiles == 0 }

    /// An end of the given kind.
    public init(cause: Cause, undrainedFiles: Int?) {
        self.cause = cause
        self.undrainedFiles = undrainedFiles
    }
}
