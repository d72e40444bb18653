internal import LocalState
internal import ObjectStore

/// An upload that a dead mount of this machine had begun.
struct AbandonedUpload: LocalCheck {
    static let info = CheckInfo(
        "abandoned-upload", .localState, .problem, .preen,
        one: "upload that a mount of this machine has left", many: "uploads that mounts of this machine have left",
        explanation:
            "The journal says that a mount began this upload in parts, and that mount is gone. Nobody can end it; its parts take room and are not seen.",
        mending: "-p, -a and -y abort it, as the next mount does.")

    static func see(_ state: InspectedState) -> [Finding] {
        state.inventory?.uploads.map { upload in
            Finding(info, upload.key, upload.initiated.map { state.scope.age($0) } ?? "")
        } ?? []
    }
}
