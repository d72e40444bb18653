import Mount

/// Gives the kernel side's errors their exit status; their words are the line.
enum MountFailure {
    /// The command's end for `error`.
    static func commandError(for error: MountError) -> CommandError {
        let status: ExitStatus =
            switch error {
            case .mountPointMissing, .mountPointNotDirectory, .alreadyMounted, .mountPointNotEmpty, .mountPointUnusable,
                .deadMountStays, .session, .refused, .notAnswering, .notMounted:
                .mountPoint
            case .busy: .busy
            case .system, .unmountFailed: .failure
            }
        return CommandError(status, error.description)
    }
}
