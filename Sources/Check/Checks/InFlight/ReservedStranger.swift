internal import ObjectStore

/// Something below `.pail/` that this version of Pail does not know.
struct ReservedStranger: ListingCheck {
    static let info = CheckInfo(
        "reserved-stranger", .inFlight, .note, .never,
        one: "object in Pail's own folder that this version does not know",
        many: "objects in Pail's own folder that this version does not know",
        explanation:
            "What lies below .pail/ is hidden from mounts. A later version of Pail, or somebody else, has put it there.",
        mending: "Nothing is done to it.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.isReserved, ReservedKey(entry) == .unknown else { return }
        found.append(Finding(Self.info, entry.key, "\(entry.object.size) bytes"))
    }
}
