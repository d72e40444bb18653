internal import ObjectStore

/// `.fuse_hidden…`: what libfuse's high-level interface, and so s3fs, makes of a file that is unlinked while it is open.
struct HiddenFile: ListingCheck {
    static let info = CheckInfo(
        "fuse-hidden-file", .inFlight, .note, .never,
        one: "file that s3fs has hidden instead of unlinking it",
        many: "files that s3fs has hidden instead of unlinking them",
        explanation:
            "s3fs renames a file that is unlinked while a program has it open to .fuse_hidden…, and unlinks that at its close. It is an ordinary file "
            + "to every mount.",
        mending: "If no s3fs uses the bucket, nobody needs it: remove it.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard !entry.isMarker, !entry.isReserved, let name = entry.names.last,
            name.utf8.starts(with: ".fuse_hidden".utf8), !scope.mayBeAtWork(entry.object.lastModified)
        else { return }
        found.append(Finding(Self.info, entry.key, scope.age(entry.object.lastModified)))
    }
}
