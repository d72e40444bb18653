internal import LocalState
internal import ObjectStore

/// A row of the journal that says nothing to this version.
struct UnreadableRecord: LocalCheck {
    static let info = CheckInfo(
        "unreadable-record", .localState, .damage, .never,
        one: "change in the journal that cannot be read", many: "changes in the journal that cannot be read",
        explanation:
            "A row of the journal of what is not uploaded yet is not in the form that this version of Pail writes. The change stays in the journal, and is "
            + "neither shown nor uploaded.",
        mending:
            "Another version of Pail may have written it: mount with that one. Compare the file with what it should be."
    )

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.unreadable.map { Finding(info, $0, "in \(state.path)") } ?? []
    }
}
