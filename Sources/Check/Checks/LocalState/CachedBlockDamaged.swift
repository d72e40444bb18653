internal import LocalState
internal import ObjectStore

/// A file of the disk cache that is no whole block any more.
struct CachedBlockDamaged: LocalCheck {
    static let info = CheckInfo(
        "cached-block-damaged", .localState, .problem, .preen,
        one: "damaged block in the disk cache", many: "damaged blocks in the disk cache",
        explanation:
            "The checksum of what was read once does not hold. It would not be served, but fetched again: nothing is lost. Where the machine has not "
            + "crashed, its disk or its memory fails.",
        mending: "-p, -a and -y delete it.")

    static func see(_ state: InspectedState) -> [Finding] { state.damagedBlocks.map { Finding(info, ObjectKey($0)) } }
}
