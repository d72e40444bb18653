/// What the exit status of a `pail` command says. Scripts rely on these numbers: they do not change.
enum ExitStatus: Int32, CaseIterable, Sendable {
    case success = 0
    case failure = 1
    case usage = 2
    case configuration = 3
    case mountPoint = 4
    case unreachable = 5
    case refused = 6
    case localState = 7
    case busy = 8

    /// For the documentation.
    var meaning: String {
        switch self {
        case .success: "All went well; for `pail mount`: the mount answers (in the foreground: it has ended in order)."
        case .failure: "Any other failure."
        case .usage: "Unknown option, value out of range, malformed source, missing argument."
        case .configuration:
            "A configuration or credentials file, or a variable, cannot be used; or no credentials were found."
        case .mountPoint:
            "The mount point is missing, is no directory, is not empty, is mounted already, is not mounted or cannot be asked "
                + "(`pail umount`, `status`, `sync`, `refresh`), or the kernel refused the mount."
        case .unreachable: "The store cannot be reached, is no S3, or its certificate is not trusted."
        case .refused: "The store refused: no such bucket, unknown key, wrong secret, access denied."
        case .localState: "The state directory or the log file cannot be used."
        case .busy: "`pail umount`: the mount is in use."
        }
    }
}

/// The end of a command that failed: one line for the person, and the status for the script.
struct CommandError: Error, Sendable, Equatable {
    var status: ExitStatus
    var message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// As printed: one line, whatever a store or a file name put in.
    var line: String { "pail: " + Printable.line(message) }
}
