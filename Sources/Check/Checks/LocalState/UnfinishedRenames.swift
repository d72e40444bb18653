internal import LocalState
internal import ObjectStore

/// A directory's rename, or an exchange of two files, that a mount did not come to the end of.
struct UnfinishedRenames: LocalCheck {
    static let info = CheckInfo(
        "unfinished-rename", .localState, .problem, .preen,
        one: "rename that was not ended", many: "renames that were not ended",
        explanation:
            "A mount died while it renamed a directory, which is copies and then deletes: files stand under both names. Or it died while it exchanged two files: one of "
            + "them may stand under .pail/exchange/ alone.",
        mending:
            "-p, -a and -y end it, as the next mount does: of two equal objects one is deleted, the new one if not all copies had been made, else the old one. What "
            + "was changed since stays. An exchange is taken back, or what it has set aside is removed, as both names show.")

    static func see(_ state: InspectedState) -> [Finding] {
        guard let inventory = state.inventory else { return [] }
        return inventory.renames.map { Finding(info, $0.from, "to \"\($0.to)\"") }
            + inventory.exchanges.map { Finding(info, $0.small, "exchanged with \"\($0.large)\"") }
    }
}
