internal import ObjectStore

/// Objects in a storage class that has to be thawed before it can be read.
struct ArchivedObject: ListingCheck {
    static let info = CheckInfo(
        "archived-object", .data, .note, .never,
        one: "object that has to be restored before it can be read",
        many: "objects that have to be restored before they can be read",
        explanation:
            "Its storage class is an archive: reading it on a mount fails until it is restored (S3's RestoreObject).",
        mending: "Restore it when it is needed.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard let storage = entry.object.storageClass, storage == "GLACIER" || storage == "DEEP_ARCHIVE" else { return }
        found.append(Finding(Self.info, entry.key, storage))
    }
}
