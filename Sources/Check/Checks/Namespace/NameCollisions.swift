internal import ObjectStore

/// Finds files whose name is a directory's as well, in the order of the listing.
///
/// Between `n` and the keys below `n/` come those whose next byte is less than that of `/`: `n-1`, `n.txt`. So `n` is kept until
/// a key comes that does not begin with it. What is kept at one time is a chain in which each begins with the one before:
/// few, however many keys there are.
struct NameCollisions: Sendable {
    /// A file, and what was seen below its name.
    struct Candidate: Sendable {
        var object: ListedObject
        var path: String
        /// Keys below, the directory's own marker aside.
        var below = 0
        /// `n/` itself.
        var marker: ListedObject?
    }

    private var chain: [Candidate] = []

    /// Takes the next key; returns the files of which all is known now.
    mutating func see(_ entry: ListedEntry) -> [Candidate] {
        var done: [Candidate] = []
        while let last = chain.last, !entry.path.utf8.starts(with: last.path.utf8) {
            done.append(last)
            chain.removeLast()
        }
        for index in chain.indices {
            let rest = entry.path.utf8.dropFirst(chain[index].path.utf8.count)
            if rest.isEmpty, entry.isMarker {
                chain[index].marker = entry.object
            } else if rest.first == UInt8(ascii: "/") {
                chain[index].below += 1
            }
        }
        if !entry.isMarker, entry.hidden == nil, !entry.isReserved, !entry.isRoot {
            chain.append(Candidate(object: entry.object, path: entry.path))
        }
        return done
    }

    /// The listing is over.
    mutating func finish() -> [Candidate] {
        defer { chain = [] }
        return chain
    }
}
