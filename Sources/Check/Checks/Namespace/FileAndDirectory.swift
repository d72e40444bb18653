internal import ObjectStore

/// An object `n` and keys below `n/`: the mount shows the file, and what lies below is out of reach.
struct FileAndDirectory: ListingCheck {
    static let info = CheckInfo(
        "file-and-directory", .namespace, .problem, .asked,
        one: "file that hides what lies below its name", many: "files that hide what lies below their names",
        explanation:
            "There is an object \"n\" and there are keys below \"n/\". A path is either a file or a directory: a mount shows the file, "
            + "and all that lies below the name is out of its reach.",
        mending:
            "-y moves the file to lost+found/, so that the directory is seen. Or rename one of the two with another S3 client."
    )

    private var collisions = NameCollisions()

    mutating func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        take(collisions.see(entry), &found)
    }

    mutating func finish(_ scope: CheckScope, _ found: inout [Finding]) { take(collisions.finish(), &found) }

    private func take(_ candidates: [NameCollisions.Candidate], _ found: inout [Finding]) {
        for candidate in candidates where candidate.below > 0 {
            let etag = candidate.object.etag
            found.append(
                Finding(
                    Self.info, candidate.object.key,
                    "\(candidate.below) \(candidate.below == 1 ? "key" : "keys") below it",
                    repair: .moveToLostAndFound(etag: etag), confirmation: .hidesWhatIsBelow(etag: etag)))
        }
    }
}
