internal import LocalState
internal import ObjectStore

/// The copy of an unlinked file that a dead mount of this machine had open.
struct AbandonedCopy: LocalCheck {
    static let info = CheckInfo(
        "abandoned-copy", .localState, .problem, .preen,
        one: "copy of an unlinked file that a mount of this machine has left",
        many: "copies of unlinked files that mounts of this machine have left",
        explanation:
            "A file was unlinked while a program had it open, and the journal says that this copy is its content. The mount is gone, and so is whoever had it open.",
        mending: "-p, -a and -y delete it, as the next mount does: the file was unlinked.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.hidden.map { Finding(info, $0) } ?? []
    }
}
