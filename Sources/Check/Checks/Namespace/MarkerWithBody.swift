internal import ObjectStore

/// A key that ends in `/` and has content: a directory to every mount, so that nobody can read it.
struct MarkerWithBody: ListingCheck {
    static let info = CheckInfo(
        "marker-with-body", .namespace, .problem, .asked,
        one: "directory marker with content that no mount can show",
        many: "directory markers with content that no mount can show",
        explanation:
            "A key that ends in \"/\" is a directory, and a directory has no content. Some program has stored one all the same.",
        mending: "-y copies the content to lost+found/ and leaves an empty marker with the same attributes.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.isMarker, entry.object.size > 0, entry.hidden == nil, !entry.isReserved else { return }
        found.append(
            Finding(
                Self.info, entry.key, "\(entry.object.size) bytes", repair: .detachBody(etag: entry.object.etag)))
    }
}
