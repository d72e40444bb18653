internal import LocalState
internal import ObjectStore

/// A change that an earlier mount of either mode has left to be uploaded.
struct PendingChange: LocalCheck {
    static let info = CheckInfo(
        "pending-change", .localState, .problem, .preen,
        one: "change that an earlier mount has not uploaded", many: "changes that an earlier mount has not uploaded",
        explanation:
            "A mount in write-back mode has acknowledged it and ended before it was in the bucket; or a mount in strict mode has told the program of a failure and kept "
            + "the content. It is safe in the journal; other machines do not see it.",
        mending:
            "-p, -a and -y upload it, as the next mount does: under its conditions, so that what was changed elsewhere meanwhile stays, and this machine's version is "
            + "kept beside it.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.changes.map { change in
            Finding(info, change.key, "\(change.kind.rawValue), \(change.bytes) bytes, \(state.scope.age(change.date))")
        } ?? []
    }
}
