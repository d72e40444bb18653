internal import ObjectStore

/// A content set aside by an exchange of two names (`RENAME_EXCHANGE`) that was not ended. It may be the only copy.
struct ExchangeLeftover: ListingCheck {
    static let info = CheckInfo(
        "exchange-leftover", .inFlight, .damage, .asked,
        one: "content set aside by an exchange of two files", many: "contents set aside by exchanges of two files",
        explanation:
            "While two files exchange their names, the smaller one's content stands below .pail/exchange/. The mount died in the middle, or the store "
            + "failed: both names may have the larger file's content now, and this may be the only copy of the smaller one's.",
        mending:
            "-y moves it to lost+found/, or deletes it if the same content stands under its own path. Compare, and copy it back where it belongs."
    )

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.isReserved, case .exchange(let path) = ReservedKey(entry),
            !scope.mayBeAtWork(entry.object.lastModified)
        else { return }
        let detail = "\(path.map { "belongs to \"\($0)\", " } ?? "")\(entry.object.size) bytes"
        let repair: Repair =
            if let path, entry.object.etag != nil {
                .deleteCopy(etag: entry.object.etag, original: ObjectKey(scope.prefix + path))
            } else {
                .moveToLostAndFound(etag: entry.object.etag)
            }
        found.append(
            Finding(
                Self.info, entry.key, detail, repair: repair, confirmation: .isUnchanged(etag: entry.object.etag),
                time: entry.object.lastModified))
    }
}
