internal import ObjectStore

/// Keys that no path of the kernel names.
struct UnshowableKey: ListingCheck {
    static let info = CheckInfo(
        "unshowable-key", .namespace, .problem, .asked,
        one: "key that no mount can show", many: "keys that no mount can show",
        explanation:
            "A name of a file has 1 to 255 bytes, no slash and no zero byte, and is neither \".\" nor \"..\"; a path has 1,023 "
            + "bytes at most. Programs that do not go through a file system have stored these objects; on a mount they are hidden.",
        mending: "-y moves each to lost+found/ under a name that can be shown. Or rename it with another S3 client.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard let reason = entry.hidden, !entry.isReserved else { return }
        found.append(
            Finding(Self.info, entry.key, reason.text, repair: .moveToLostAndFound(etag: entry.object.etag)))
    }
}
