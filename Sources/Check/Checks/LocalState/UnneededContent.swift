internal import LocalState
internal import ObjectStore

/// A content in the journal that no change names.
struct UnneededContent: LocalCheck {
    static let info = CheckInfo(
        "unneeded-content", .localState, .problem, .preen,
        one: "content in the journal that no change needs", many: "contents in the journal that no change needs",
        explanation:
            "Its change is in the bucket, or was never acknowledged; the mount ended before the content was dropped. It takes room on this machine's disk.",
        mending: "-p, -a and -y drop it, as the next mount does.")

    static func see(_ state: InspectedState) -> [Finding] {
        // Which contents a row names that cannot be read, nobody knows.
        guard let inventory = state.inventory, inventory.unreadable.isEmpty else { return [] }
        return inventory.contents.filter(\.keys.isEmpty).map {
            Finding(info, ObjectKey("\(state.path): content \($0.id)"), "\($0.length) bytes")
        }
    }
}
