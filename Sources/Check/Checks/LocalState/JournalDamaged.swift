internal import ObjectStore

/// A journal whose database cannot be trusted any more.
struct JournalDamaged: LocalCheck {
    static let info = CheckInfo(
        "journal-damaged", .localState, .damage, .asked,
        one: "journal that is damaged", many: "journals that are damaged",
        explanation:
            "The database in which a mount keeps what is not uploaded yet is not sound: the disk has failed, or somebody has written to it. Changes "
            + "that were not uploaded may be lost.",
        mending:
            "-y puts it aside, whole, and begins a new one; the next mount would do the same. Look for missing files, and keep what was put aside until "
            + "nothing is missed.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.damage.map { [Finding(info, ObjectKey(state.path), $0)] } ?? []
    }
}
