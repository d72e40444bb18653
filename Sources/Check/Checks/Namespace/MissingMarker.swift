internal import ObjectStore

/// A directory that only the keys below it imply.
struct MissingMarker: ListingCheck {
    static let info = CheckInfo(
        "missing-marker", .namespace, .note, .asked,
        one: "directory without an object of its own", many: "directories without objects of their own",
        explanation:
            "Most S3 tools make none. A mount shows such a directory with default attributes, and stores an object for it when one is "
            + "needed: nothing is wrong.",
        mending:
            "-y puts an empty marker for each, so that the directory stays when its last file is deleted elsewhere.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.hidden == nil, !entry.isReserved, !entry.isInLostAndFound else { return }
        let directories = Array(entry.directories)
        // The marker of the last one is this entry itself.
        let implied = directories.count - (entry.isMarker ? 1 : 0)
        guard entry.sharedDirectories < implied else { return }
        for depth in entry.sharedDirectories..<implied {
            let path = directories[...depth].joined(separator: "/")
            found.append(
                Finding(Self.info, ObjectKey(scope.prefix + path + "/"), repair: .putMarker))
        }
    }
}
