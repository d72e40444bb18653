import Glibc

/// The directory that holds all that mounts keep on this machine.
enum StateDirectory {
    /// Where it is: as asked for, else `/var/lib/pail` for root, `$XDG_STATE_HOME/pail` or `~/.local/state/pail` for a user.
    static func path(chosen: String?, environment: [String: String], uid: UInt32) throws(CommandError) -> String {
        if let chosen { return chosen }
        if uid == 0 { return "/var/lib/pail" }
        // The XDG specification: a path that is not absolute is to be ignored.
        if let state = environment["XDG_STATE_HOME"], state.utf8.first == UInt8(ascii: "/") { return state + "/pail" }
        guard let home = environment["HOME"], home.utf8.first == UInt8(ascii: "/") else {
            throw CommandError(.localState, "no state directory: HOME is not set; name one by --state-dir")
        }
        return home + "/.local/state/pail"
    }

    /// Makes the directory, for its owner alone, where it is not there, and checks that it can be used.
    static func prepare(_ path: String) throws(CommandError) {
        var part = ""
        for component in path.split(separator: "/") {
            part += "/" + component
            guard mkdir(part, 0o700) == 0 || errno == EEXIST || access(part, F_OK) == 0 else {
                throw CommandError(
                    .localState,
                    "the state directory \(path) cannot be made: \(String(cString: strerror(errno))); name another by --state-dir"
                )
            }
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw CommandError(.localState, "the state directory \(path) is no directory; name another by --state-dir")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 || geteuid() == 0 else {
            throw CommandError(
                .localState, "the state directory \(path) belongs to another user; name another by --state-dir")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw CommandError(
                .localState, "the state directory \(path) may be written by other users; run: chmod go-w \(path)")
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw CommandError(
                .localState,
                "the state directory \(path) cannot be used: \(String(cString: strerror(errno))); name another by --state-dir"
            )
        }
    }
}
