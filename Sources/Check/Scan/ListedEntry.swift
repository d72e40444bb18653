internal import FileSystem
internal import ObjectStore

/// One object of the listing with its path taken apart, for all checks at once.
struct ListedEntry: Sendable {
    /// What the listing tells.
    let object: ListedObject
    /// The key behind the prefix that is checked, without the `/` at the end of a marker.
    let path: String
    /// The path's names, empty ones too.
    let names: [Substring]
    /// How many directories it lies in that the entry before lay in too: the rest have been entered with this entry.
    let sharedDirectories: Int
    /// Why a mount cannot show it; nil where it can.
    let hidden: HiddenReason?

    var key: ObjectKey { object.key }
    /// The key ends in `/`.
    var isMarker: Bool { object.key.isDirectoryMarker }
    /// The directories: all names of a marker, all but the last of a file.
    var directories: ArraySlice<Substring> { isMarker ? names[...] : names.dropLast() }
    /// It lies in Pail's own folder.
    var isReserved: Bool { names.first.map { $0.utf8.elementsEqual(KeySpace.reservedName.utf8) } ?? false }
    /// It lies where this check has put it.
    var isInLostAndFound: Bool { names.first.map { $0.utf8.elementsEqual(LostAndFound.name.utf8) } ?? false }
    /// The marker of what is checked itself: `prefix/`, or s3fs's object of the root, whose key is a single slash.
    var isRoot: Bool { path.isEmpty }

    /// Why a mount cannot show a key.
    enum HiddenReason: Sendable, Hashable {
        case emptyName, dot, nul, longName, longKey

        /// For a person.
        var text: String {
            switch self {
            case .emptyName: "an empty name between two slashes"
            case .dot: "\".\" or \"..\" for a name"
            case .nul: "a zero byte in it"
            case .longName: "a name of over 255 bytes"
            case .longKey: "1,024 bytes; a path has 1,023 at most"
            }
        }
    }
}

/// Takes the listing's keys apart, in their order.
struct ListingWalk: Sendable {
    private let prefix: String
    private var open: [Substring] = []

    /// - Parameter prefix: of what is checked: empty, or ending in `/`.
    init(prefix: String) { self.prefix = prefix }

    /// The next key of the listing.
    mutating func next(_ object: ListedObject) -> ListedEntry {
        var rest = object.key.string.utf8.dropFirst(prefix.utf8.count)
        if object.key.isDirectoryMarker, !rest.isEmpty { rest = rest.dropLast() }
        let path = String(rest) ?? ""
        let names =
            path.isEmpty
            ? [] : path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Substring($0) }
        let directories = object.key.isDirectoryMarker ? names[...] : names.dropLast()
        var shared = 0
        while shared < min(open.count, directories.count), open[shared].utf8.elementsEqual(directories[shared].utf8) {
            shared += 1
        }
        open = Array(directories)
        return ListedEntry(
            object: object, path: path, names: names, sharedDirectories: shared,
            hidden: Self.reason(names, object.key))
    }

    private static func reason(_ names: [Substring], _ key: ObjectKey) -> ListedEntry.HiddenReason? {
        for name in names {
            if name.isEmpty { return .emptyName }
            if name.utf8.count > FileName.maximumLength { return .longName }
            if name == "." || name == ".." { return .dot }
            if name.utf8.contains(0) { return .nul }
        }
        return key.utf8Count >= ObjectKey.maximumLength && !key.isDirectoryMarker ? .longKey : nil
    }
}
