internal import LocalState
internal import ObjectStore

/// Content that could not be stored, because the object was changed elsewhere, and waits for a person.
struct KeptConflict: LocalCheck {
    static let info = CheckInfo(
        "kept-conflict", .localState, .problem, .asked,
        one: "version of a file that is kept on this machine alone",
        many: "versions of files that are kept on this machine alone",
        explanation:
            "The file was changed elsewhere before this machine's version was uploaded. The bucket has the other one; this one is only here, and may be what somebody "
            + "misses.",
        mending:
            "\"pail recover\" lists them, writes one to a file, or forgets it. -y moves them to lost+found/ in the bucket, where the two can be compared."
    )

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.kept.map { kept in
            let whole = kept.isComplete ? "" : ", parts of it are in the bucket"
            return Finding(
                info, kept.key,
                "\(kept.size) bytes\(whole), \(state.scope.age(kept.date)), number \(kept.id) in \(state.path)")
        } ?? []
    }
}
