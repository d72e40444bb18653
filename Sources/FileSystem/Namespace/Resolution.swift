internal import ObjectStore

/// What the store says of one name.
enum Resolution: Sendable {
    /// An object stands for it: a file's, or a directory's marker in any form.
    case object(ObjectInfo, key: ObjectKey, seen: Moment)
    /// A listing shows a file: its headers are not known.
    case listed(KnownEntries.Version, key: ObjectKey, seen: Moment)
    /// A listing shows a directory: whether an object stands for it, and its headers, are not known.
    case listedDirectory(seen: Moment)
    /// Keys below it imply a directory; no object stands for it.
    case impliedDirectory(seen: Moment)
    /// Nothing there.
    case absent(seen: Moment)

    /// When the answer was asked for.
    var seen: Moment {
        switch self {
        case .object(_, _, let seen), .listed(_, _, let seen), .listedDirectory(let seen), .impliedDirectory(let seen),
            .absent(let seen):
            seen
        }
    }
}

/// One name of one directory.
struct LookupTarget: Hashable, Sendable {
    var parent: NodeID
    var name: FileName
}
