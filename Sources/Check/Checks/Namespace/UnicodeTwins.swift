internal import ObjectStore

/// Two names of one directory that Unicode calls equivalent: `é` in one code point and in two.
///
/// Swift's `String` compares by canonical equivalence, which is just what is asked here: a set of the names of each directory
/// that is open finds the twin. Names of ASCII alone have none that matters and are not kept.
///
/// Limit: ``capacity`` names are kept; in a larger directory later twins are not found.
struct UnicodeTwins: ListingCheck {
    static let info = CheckInfo(
        "unicode-twins", .namespace, .note, .never,
        one: "name that looks like another one in the same directory",
        many: "names that look like others in the same directory",
        explanation:
            "The two names differ in their bytes only, not in what a person sees: one is composed (NFC), the other decomposed (NFD), as macOS "
            + "writes them. To a mount they are two files, as they are to S3.",
        mending: "Compare the two, and rename or delete one of them.")

    /// Some 100 bytes each.
    static let capacity = 200_000

    private var open: [(name: Substring, names: Set<String>)] = []
    private var top: Set<String> = []
    private var count = 0

    mutating func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.hidden == nil, !entry.isReserved, !entry.isRoot else { return }
        while open.count > entry.sharedDirectories { count -= open.removeLast().names.count }
        // The names that are new: directories just entered, and the file itself.
        for depth in entry.sharedDirectories..<entry.names.count {
            let name = entry.names[depth]
            let isLast = depth == entry.names.count - 1
            if name.utf8.contains(where: { $0 >= 0x80 }) {
                if let twin = insert(String(name), at: depth), !twin.utf8.elementsEqual(name.utf8) {
                    found.append(Finding(Self.info, entry.key, "like \"\(twin)\""))
                }
            }
            if !isLast || entry.isMarker { open.append((name, [])) }
        }
    }

    /// The name's twin, or itself where it has been seen before.
    private mutating func insert(_ name: String, at depth: Int) -> String? {
        func put(_ names: inout Set<String>) -> (twin: String?, isNew: Bool) {
            if let there = names.firstIndex(of: name) { return (names[there], false) }
            guard count < Self.capacity else { return (nil, false) }
            names.insert(name)
            return (nil, true)
        }
        let result = depth == 0 ? put(&top) : put(&open[depth - 1].names)
        if result.isNew { count += 1 }
        return result.twin
    }
}
