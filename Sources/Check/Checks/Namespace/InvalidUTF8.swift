internal import ObjectStore

/// A key whose bytes are no UTF-8.
///
/// Listings are read as UTF-8, with U+FFFD for what is none. A key that holds that character is asked for: if there is none of
/// that name, its bytes are others.
struct InvalidUTF8: ListingCheck {
    static let info = CheckInfo(
        "invalid-utf8", .namespace, .problem, .never,
        one: "key that is not UTF-8", many: "keys that are not UTF-8",
        explanation:
            "S3 says that keys are UTF-8, and Pail asks for no others. Some store has taken one all the same; a mount lists it with \"\u{FFFD}\" in its "
            + "name and cannot open it.",
        mending: "Rename it with the tool that stored it.")

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.hidden == nil, !entry.isReserved, entry.path.unicodeScalars.contains("\u{FFFD}") else { return }
        found.append(Finding(Self.info, entry.key, confirmation: .cannotBeAsked))
    }
}
