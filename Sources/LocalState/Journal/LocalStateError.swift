#if canImport(Glibc)
    import Glibc
#endif

/// What is kept on this machine could not be opened, read or written.
public struct LocalStateError: Error, Sendable, Equatable {
    /// What went wrong, as far as a caller may act on it.
    public enum Kind: Sendable, Equatable {
        /// Another process holds the directory; its pid where it could be read.
        case inUse(pid: Int32?)
        /// A newer Pail wrote it, in a format that this one does not know.
        case newerFormat(found: Int, known: Int)
        /// The disk is full, or would be left with less than is to stay free, or the cap on bytes is reached.
        case diskFull
        /// What was read back is not what was written.
        case damaged
        /// The journal is closed.
        case closed
        /// The disk or the directory failed, with this errno (0 where there was none).
        case io(errno: Int32)
    }

    /// What went wrong.
    public var kind: Kind
    /// The file or directory concerned.
    public var path: String
    /// More words for a person; may be empty.
    public var detail: String

    /// An error of the given parts.
    public init(_ kind: Kind, path: String, detail: String = "") {
        self.kind = kind
        self.path = path
        self.detail = detail
    }

    /// What a system call's errno means.
    static func system(_ number: Int32, _ path: String, _ doing: String) -> LocalStateError {
        let kind: Kind = number == ENOSPC || number == EDQUOT ? .diskFull : .io(errno: number)
        return LocalStateError(kind, path: path, detail: "\(doing): \(String(cString: strerror(number)))")
    }
}

extension LocalStateError: CustomStringConvertible {
    /// One line for a person, with what to do where that is known.
    public var description: String {
        let more = detail.isEmpty ? "" : ": \(detail)"
        switch kind {
        case .inUse(let pid):
            return "\(path) is in use by \(pid.map { "process \($0)" } ?? "another process")\(more)"
        case .newerFormat(let found, let known):
            return "\(path) was written by a newer Pail (format \(found), this one knows \(known)); use that one\(more)"
        case .diskFull: return "no room on the disk for \(path)\(more)"
        case .damaged: return "\(path) is damaged\(more)"
        case .closed: return "\(path) is closed\(more)"
        case .io: return "\(path) cannot be used\(more)"
        }
    }
}
