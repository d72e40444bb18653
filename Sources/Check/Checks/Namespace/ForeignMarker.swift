internal import FileSystem
internal import ObjectStore

/// Hadoop's `d_$folder$`.
struct ForeignMarker: ListingCheck {
    static let info = CheckInfo(
        "foreign-marker", .namespace, .note, .never,
        one: "directory marker of Hadoop's", many: "directory markers of Hadoop's",
        explanation:
            "An empty object \"d_$folder$\" stands for the directory \"d\" in Hadoop's older file systems. A mount shows it as a file or directory "
            + "of that very name beside \"d\".",
        mending: "Nothing has to be done. If no Hadoop uses the bucket any more, delete it.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.hidden == nil, !entry.isReserved,
            DirectoryForm(key: entry.key, size: entry.object.size) == .folderSuffix
        else { return }
        found.append(Finding(Self.info, entry.key))
    }
}
