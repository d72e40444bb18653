/// Recognises a walker that opens one directory of a parent after the other, as find(1), du(1), tar(1) and `grep -r` do.
///
/// **Design.** A pure value for each parent, told of each directory of it that is opened. Two that follow one another in listing order
/// are a walk, and so is each that follows then; any other step ends it.
///
/// **Limits.** A walker that sorts otherwise than the store lists is none; nor is one who is in every second directory only.
struct TreeWalk: Sendable, Equatable {
    /// So many entries after the directory opened last are looked at for the next one: files may lie between.
    static let tolerance = 64

    private var last: String?

    /// The directory of that key (`name/`) is opened. `following` gives the next entries in listing order after a key. Returns whether
    /// somebody walks.
    mutating func open(_ key: String, following: (_ key: String, _ limit: Int) -> [KnownEntries.Entry]) -> Bool {
        defer { last = key }
        guard let last, !last.utf8.elementsEqual(key.utf8) else { return false }
        let next = following(last, Self.tolerance).first { $0.isDirectory }
        return next.map { KnownEntries.key(of: $0).utf8.elementsEqual(key.utf8) } ?? false
    }
}
