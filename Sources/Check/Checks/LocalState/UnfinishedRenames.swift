internal import LocalState
internal import ObjectStore

/// A directory's rename that a mount did not come to the end of.
struct UnfinishedRenames: LocalCheck {
    static let info = CheckInfo(
        "unfinished-rename", .localState, .problem, .preen,
        one: "rename of a directory that was not ended", many: "renames of directories that were not ended",
        explanation:
            "A mount died while it renamed a directory, which is copies and then deletes: files stand under both names.",
        mending:
            "-p, -a and -y end it, as the next mount does: of two equal objects one is deleted, the new one if not all copies had been made, else the old one. What "
            + "was changed since stays.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.renames.map { Finding(info, $0.from, "to \"\($0.to)\"") } ?? []
    }
}
