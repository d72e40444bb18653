internal import ObjectStore

/// A marker `n/` beside a file `n`, with nothing below: a directory that nobody sees.
struct OrphanMarker: ListingCheck {
    static let info = CheckInfo(
        "orphan-marker", .namespace, .problem, .asked,
        one: "directory marker behind a file of the same name", many: "directory markers behind files of the same name",
        explanation:
            "There is a file \"n\" and the marker \"n/\" of a directory, with nothing in it. A mount shows the file. The marker is what "
            + "is left of a directory that a file has taken the place of.",
        mending: "-y deletes the marker. If it has content, that is moved to lost+found/ first.")

    private var collisions = NameCollisions()

    mutating func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        take(collisions.see(entry), &found)
    }

    mutating func finish(_ scope: CheckScope, _ found: inout [Finding]) { take(collisions.finish(), &found) }

    private func take(_ candidates: [NameCollisions.Candidate], _ found: inout [Finding]) {
        for candidate in candidates {
            guard candidate.below == 0, let marker = candidate.marker else { continue }
            // One with content is a finding of its own, which is mended first and leaves it empty.
            found.append(
                Finding(
                    Self.info, marker.key, repair: .deleteEmptyMarker(etag: nil), confirmation: .isUnchanged(etag: nil))
            )
        }
    }
}
