internal import LocalState
internal import ObjectStore

/// A file that data to be uploaded went to for want of memory, and that kept its name.
///
/// Such files have no name from the start, or lose it as soon as they are open; only a crash between those two calls, on a file
/// system that knows no nameless files, leaves one, and it is empty.
enum SpillLeftover {
    static let info = CheckInfo(
        "spill-leftover", .localState, .problem, .preen,
        one: "empty file that a mount has left on this machine",
        many: "empty files that mounts have left on this machine",
        explanation: "A mount died while it made a file for data that finds no room in memory.",
        mending: "-p, -a and -y delete it.")

    /// In seconds: making one takes far less.
    static let age: Int64 = 3600

    /// One that was found in the folder.
    static func see(_ file: SpilledFile, _ scope: CheckScope) -> Finding? {
        guard file.bytes == 0, scope.now - file.changed >= min(age, scope.minimumAge) else { return nil }
        return Finding(info, ObjectKey(file.path), scope.age(Timestamp(seconds: file.changed)))
    }
}
