internal import LocalState
internal import ObjectStore

/// Bytes of a change, or of a kept content, that cannot be read back from this machine's disk.
struct StagedContentDamaged: LocalCheck {
    static let info = CheckInfo(
        "staged-content-damaged", .localState, .damage, .never,
        one: "file whose changes cannot be read back from this machine's disk",
        many: "files whose changes cannot be read back from this machine's disk",
        explanation:
            "The journal names a content that is gone, cut short, or fails its checksum (which --fast does not look at). It cannot be uploaded; the bucket has "
            + "the version before.",
        mending:
            "Write the file anew through a mount in write-back mode, which takes the place of the damaged change; or forget what is kept: pail recover."
    )

    static func see(_ state: InspectedState) -> [Finding] {
        var found: [Finding] = []
        for content in state.inventory?.contents ?? [] {
            guard let damage = content.damage else { continue }
            for key in content.keys {
                found.append(Finding(info, key, "\(damage); content \(content.id) in \(state.path)"))
            }
        }
        return found
    }
}
