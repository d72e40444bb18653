internal import LocalState
internal import ObjectStore

/// A journal that holds more than `--journal-size`.
struct JournalOverQuota: LocalCheck {
    static let info = CheckInfo(
        "journal-over-quota", .localState, .note, .never,
        one: "journal that holds more than it may", many: "journals that hold more than they may",
        explanation:
            "What waits to be uploaded takes more room than --journal-size allows. A mount takes no more changes then, and waits for the store with each.",
        mending: "Let what waits be uploaded (-p does it), or give --journal-size a larger value.")

    static func see(_ state: InspectedState) -> [Finding] {
        guard let bytes = state.inventory?.bytes, bytes > state.maximumBytes else { return [] }
        return [Finding(info, ObjectKey(state.path), "\(bytes) bytes of \(state.maximumBytes)")]
    }
}
