internal import ObjectStore

/// A damaged journal that an earlier mount or check has put aside.
struct JournalSetAside: LocalCheck {
    static let info = CheckInfo(
        "journal-set-aside", .localState, .note, .never,
        one: "damaged journal that was put aside", many: "damaged journals that were put aside",
        explanation: "It may hold changes that were never uploaded. Nothing reads it any more, and nothing deletes it.",
        mending:
            "Delete the directory once nothing is missed. The files in its blobs/ are contents as programs wrote them.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.setAside.map { Finding(info, ObjectKey($0)) }
    }
}
