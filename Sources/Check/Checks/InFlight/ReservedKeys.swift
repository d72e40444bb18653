internal import FileSystem
internal import ObjectStore

/// What lies below `.pail/`, by its key.
enum ReservedKey: Sendable, Equatable {
    /// A copy of a file that was unlinked while it was open.
    case unlinked
    /// One content of two files whose names were being exchanged; the path that it belongs to, where the key tells it.
    case exchange(path: String?)
    /// An object of the probe of what the store honours.
    case probe
    /// The attributes of the root directory, or a marker of a folder of these.
    case own
    /// Anything else.
    case unknown

    init(_ entry: ListedEntry) {
        let names = entry.names.dropFirst()
        switch names.first.map(String.init) {
        case nil: self = .own
        case "root" where names.count == 1 && entry.isMarker: self = .own
        case "unlinked":
            self = names.count == 1 && entry.isMarker ? .own : names.count == 2 ? .unlinked : .unknown
        case "exchange":
            if entry.isMarker, entry.object.size == 0 {
                self = .own
            } else if names.count >= 3 {
                // Too long a path is left out of the key: see `Exchange.asideKey`.
                let path = names.dropFirst(2).joined(separator: "/")
                self = .exchange(path: path == "small" || path == "large" ? nil : path)
            } else {
                self = .unknown
            }
        case "probe": self = names.count == 1 ? .own : .probe
        default: self = .unknown
        }
    }
}
