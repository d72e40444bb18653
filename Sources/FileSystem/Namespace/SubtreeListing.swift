internal import ObjectStore

/// Takes pages of a listing without a delimiter apart into the listings of the directories that they cover from beginning to end.
///
/// **Problem.** One LIST shows a thousand keys of any depth, but the file system knows directories, each by a listing of its own.
///
/// **Design.** A pure value, fed with keys in the order of the listing. Keys of a directory stand together, so it is whole once a key
/// comes that lies outside of it, or the listing ends. What is given out is what a LIST with the delimiter `/` would have shown:
/// objects, and directories that keys imply. Names that no file can have are left out, with what is below them.
///
/// The order must be that of keys, or that of a walk in which the directory `a` stands where its name does (SeaweedFS). Any other ends
/// it: ``isBroken``.
///
/// **Limits.** The directory below which all is listed is not given out: the listing may have begun behind some of its entries. Nor is
/// one of more than ``mostEntries``, which ends it as well.
struct SubtreeListing: Sendable {
    /// Entries of one directory, beyond which it is listed by itself.
    static let mostEntries = 4000

    /// A directory that is wholly known.
    struct Directory: Sendable {
        /// What its keys begin with, `/` at the end.
        var prefix: String
        /// Its entries, in the order of keys.
        var entries: [KnownEntries.Entry]
        /// Whether an object stands for it by the key `prefix`.
        var hasMarker: Bool
        /// When the first page was asked for that told of it.
        var seen: Moment
    }

    private struct Open {
        var name: String
        var directory: Directory
    }

    private let prefix: String
    private var open: [Open] = []
    private var lastKey: String?
    private var isOrderOfKeys = true
    private var isOrderOfWalk = true
    /// Nothing more can be told.
    private(set) var isBroken = false

    /// A listing of the keys that begin with `prefix` and come after `start`.
    init(prefix: String, after start: String?) {
        self.prefix = prefix
        lastKey = start
    }

    /// The next page. Returns the directories that are whole with it.
    mutating func take(_ page: ListPage, seen: Moment) -> [Directory] {
        var whole: [Directory] = []
        for object in page.objects {
            guard !isBroken else { return [] }
            take(object, seen: seen, &whole)
        }
        if isBroken { return [] }
        if page.next == nil { close(to: 0, &whole) }
        return whole
    }

    private mutating func take(_ object: ListedObject, seen: Moment, _ whole: inout [Directory]) {
        let key = object.key.string
        guard key.utf8.starts(with: prefix.utf8) else { return isBroken = true }
        checkOrder(key)
        if isBroken { return }
        var parts = key.utf8.dropFirst(prefix.utf8.count).split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
        )
        .map { String(Substring($0)) }
        // The marker of the directory itself, or of one below.
        let isMarker = parts.last?.isEmpty ?? true
        if isMarker, !parts.isEmpty { parts.removeLast() }
        let directories = isMarker ? parts[...] : parts.dropLast()
        var depth = 0
        while depth < open.count, depth < directories.count,
            open[depth].name.utf8.elementsEqual(directories[depth].utf8)
        {
            depth += 1
        }
        close(to: depth, &whole)
        for name in directories.dropFirst(depth) {
            guard let name = FileName(name) else { return }
            add(.init(name: name, object: nil))
            let path = (open.last?.directory.prefix ?? prefix) + name.string + "/"
            open.append(
                Open(name: name.string, directory: Directory(prefix: path, entries: [], hasMarker: false, seen: seen)))
        }
        if isMarker {
            if !open.isEmpty { open[open.count - 1].directory.hasMarker = true }
            return
        }
        guard let last = parts.last, let name = FileName(last) else { return }
        add(.init(name: name, object: .init(size: object.size, etag: object.etag, lastModified: object.lastModified)))
    }

    private mutating func add(_ entry: KnownEntries.Entry) {
        guard !open.isEmpty else { return }
        open[open.count - 1].directory.entries.append(entry)
        if open[open.count - 1].directory.entries.count > Self.mostEntries { isBroken = true }
    }

    /// Gives out what is open below `depth`, the deepest first.
    private mutating func close(to depth: Int, _ whole: inout [Directory]) {
        while open.count > depth {
            var directory = open.removeLast().directory
            if !isOrderOfKeys {
                directory.entries.sort {
                    KnownEntries.key(of: $0).utf8.lexicographicallyPrecedes(KnownEntries.key(of: $1).utf8)
                }
            }
            whole.append(directory)
        }
    }

    private mutating func checkOrder(_ key: String) {
        defer { lastKey = key }
        guard let last = lastKey else { return }
        if isOrderOfKeys, !last.utf8.lexicographicallyPrecedes(key.utf8) { isOrderOfKeys = false }
        if isOrderOfWalk {
            // As if the slash came before all other characters.
            let low = { (byte: UInt8) in byte == UInt8(ascii: "/") ? 0 : byte }
            isOrderOfWalk = last.utf8.lazy.map(low).lexicographicallyPrecedes(key.utf8.lazy.map(low))
        }
        if !isOrderOfKeys, !isOrderOfWalk { isBroken = true }
    }
}
