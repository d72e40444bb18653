internal import ObjectStore

/// The copy of a file that was unlinked while a program had it open, left by a mount that died.
struct UnlinkedLeftover: ListingCheck {
    static let info = CheckInfo(
        "unlinked-leftover", .inFlight, .problem, .asked,
        one: "copy of an unlinked file that nobody has removed",
        many: "copies of unlinked files that nobody has removed",
        explanation:
            "When a file is unlinked while a program has it open, the mount keeps a copy below .pail/unlinked/ until it is closed. A mount that "
            + "died, or still runs with the file open, has left it.",
        mending:
            "-y moves it to lost+found/; delete it there if nobody misses it. First see to it that no mount of any host still has the file open."
    )

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.isReserved, ReservedKey(entry) == .unlinked else { return }
        guard !scope.mayBeAtWork(entry.object.lastModified) else { return }
        found.append(
            Finding(
                Self.info, entry.key, "\(entry.object.size) bytes, \(scope.age(entry.object.lastModified))",
                repair: .moveToLostAndFound(etag: entry.object.etag),
                confirmation: .isUnchanged(etag: entry.object.etag)))
    }
}
