/// Recognises a reader of one small file after the other in listing order, and says which files to fetch ahead of him.
///
/// **Problem.** A small file costs two round trips, one for its attributes and one for its bytes, in turn: `grep -r`, `tar`, `cp -r`
/// and training loops over thousands of files wait most of their time. One GET brings both, and many go at once, if somebody
/// knows beforehand which.
///
/// **Design.** A pure value for each directory, told of every name looked up and every small file read from its beginning. It keeps
/// a few *cursors*, one for each reader or range that is being walked. A cursor's window opens when the file behind the one
/// read last is looked up or read, exactly the next one; it doubles with success, from ``firstWindow`` to ``largestWindow`` files,
/// and what it fetched ahead is remembered until it is read. Files passed over, fetched in vain or grown too old halve it; names
/// that are only looked up, as by `ls -l`, close it. From then on the attributes alone are fetched ahead, by ``AttributeWalk``.
///
/// Once a window is open, readers may arrive out of order or skip by up to ``tolerance`` entries: several threads are one walk.
/// Backward and random readers never open one.
///
/// **Limits.** A reader of every second file only (`*.c` beside `*.h`) opens no window. Between directories nothing is carried over:
/// each begins with one file. A cursor's keys are compared one by one, a few microseconds for each name at the most.
struct FileWalk: Sendable {
    /// The first window, in files.
    static let firstWindow = 2
    /// The largest window: at 20 ms a round trip, 3,200 files a second.
    static let largestWindow = 64
    /// All windows of a directory: as many as there are connections.
    static let largestSum = 128
    /// With an open window, a step of so many entries is one of the walk.
    static let tolerance = 16
    /// More ranges than this are not told apart.
    static let maximumCursors = 16
    /// A file larger than this, in bytes, is no small one: ``ReadWindow`` reads it by more than one request.
    static let largestFile: Int64 = 1 << 20
    /// So many names may be looked up behind a guess that no read has proved.
    private static let unprovedLooks = 3

    typealias Entry = KnownEntries.Entry
    /// The next entries in listing order after a key, at most so many.
    typealias Following = (_ key: String, _ limit: Int) -> [Entry]

    /// What to fetch now.
    struct Plan: Sendable, Equatable {
        /// Files whose attributes and bytes shall be fetched.
        var contents: [Entry] = []
        /// Entries among them whose attributes alone shall be fetched: directories, large files, empty ones.
        var attributes: [Entry] = []
    }

    private struct Cursor {
        /// The first file read of those that are this reader's, and the last one, in listing order.
        var first: String
        var last: String
        /// How many files shall be ahead; 0 while nothing is fetched.
        var window = 0
        /// How many there may be.
        var ceiling = FileWalk.largestWindow
        /// Files fetched ahead and not read yet, in listing order.
        var ahead: [String] = []
        /// The last entry that a plan has taken in.
        var frontier: String?
        /// Files read since the window last changed.
        var reads = 0
        /// Whether a file was read since the window opened.
        var isProved = false
        /// Names looked up since a file was read, and the last of them.
        var looks = 0
        var lastLook: String?
        var lastUse: UInt64 = 0

        mutating func close() {
            window = 0
            ahead = []
            frontier = nil
            reads = 0
            isProved = false
        }

        /// What was fetched was not of use.
        mutating func shrink() {
            ceiling = max(FileWalk.firstWindow, window / 2)
            window /= 2
            reads = 0
            if window < FileWalk.firstWindow { close() }
        }

        mutating func grow() {
            if window == ceiling { ceiling = min(FileWalk.largestWindow, ceiling + ceiling / 16 + 1) }
            window = min(ceiling, max(FileWalk.firstWindow, window * 2))
            reads = 0
        }
    }

    private var cursors: [Cursor] = []
    private var events: UInt64 = 0

    /// Whether no small file was read lately.
    var isIdle: Bool { cursors.isEmpty }

    /// Files fetched ahead that nobody has read yet.
    var ahead: Int { cursors.reduce(0) { $0 + $1.ahead.count } }

    // MARK: Events

    /// The entry of that key is looked up. `room` bytes may be fetched. Returns what to fetch, the entry itself included; nil where
    /// nobody seems to be reading, so that attributes are all that may be wanted.
    mutating func look(at key: String, room: Int64, following: Following) -> Plan? {
        events += 1
        guard let index = cursors.firstIndex(where: { $0.ahead.contains { Self.same($0, key) } }) ?? cursor(before: key)
        else { return nil }
        if cursors[index].window == 0 {
            guard cursors[index].looks == 0, isNext(key, after: cursors[index].last, following) else {
                note(key, at: index)
                return nil
            }
            note(key, at: index)
            cursors[index].window = Self.firstWindow
            // The file itself, and those behind it.
            return plan(at: index, count: Self.firstWindow + 1, room: room, following)
        }
        guard isNear(key, cursors[index], following) else { return nil }
        note(key, at: index)
        let allowed = cursors[index].isProved ? 2 * cursors[index].window : Self.unprovedLooks
        guard cursors[index].looks <= allowed else {
            cursors[index].close()
            return nil
        }
        return topUp(at: index, room: room, following)
    }

    /// The file of that key is read from its beginning. `room` bytes may be fetched. Returns what to fetch.
    mutating func read(_ key: String, room: Int64, following: Following) -> Plan {
        events += 1
        if let index = cursors.firstIndex(where: { $0.ahead.contains { Self.same($0, key) } }) {
            let place = cursors[index].ahead.firstIndex { Self.same($0, key) } ?? 0
            cursors[index].ahead.remove(at: place)
            advance(to: key, at: index)
            if place > Self.tolerance {
                cursors[index].ahead.removeFirst(place - Self.tolerance)
                cursors[index].shrink()
            } else {
                cursors[index].isProved = true
                if cursors[index].reads * 2 >= cursors[index].window { cursors[index].grow() }
            }
            return topUp(at: index, room: room, following)
        }
        if let index = cursor(before: key), Self.same(cursors[index].last, key) {
            cursors[index].lastUse = events
            return Plan()
        }
        // Late, out of several readers' order; or a reader who goes backwards.
        let behind = following(key, Self.tolerance).map { KnownEntries.key(of: $0) }
        if cursors.contains(where: { cursor in behind.contains { Self.same($0, cursor.last) } }) { return Plan() }
        guard let index = cursor(before: key), isNear(key, cursors[index], following) else {
            begin(at: key)
            return Plan()
        }
        let isNext = isNext(key, after: cursors[index].last, following)
        advance(to: key, at: index)
        if cursors[index].window == 0 {
            guard isNext else { return Plan() }
            cursors[index].window = Self.firstWindow
            cursors[index].isProved = true
        } else if cursors[index].reads * 2 >= cursors[index].window {
            // The reader outran what was fetched.
            cursors[index].grow()
        }
        return topUp(at: index, room: room, following)
    }

    /// What was to be fetched of a file did not come.
    mutating func lost(_ key: String) {
        guard let index = cursors.firstIndex(where: { $0.ahead.contains { Self.same($0, key) } }) else { return }
        cursors[index].ahead.removeAll { Self.same($0, key) }
        cursors[index].shrink()
    }

    /// The attributes fetched of a file had grown too old when they were asked for: the reader is slower than thought.
    mutating func expired(_ key: String) {
        guard let index = cursors.firstIndex(where: { $0.ahead.contains { Self.same($0, key) } }) else { return }
        cursors[index].ceiling = max(Self.firstWindow, cursors[index].window / 2)
        cursors[index].window = min(cursors[index].window, cursors[index].ceiling)
    }

    // MARK: Cursors

    private static func less(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
    private static func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    /// Whether an entry is a file that is worth a fetch. One without an ETag could not be told from its next version.
    static func isSmall(_ entry: Entry) -> Bool {
        guard let object = entry.object else { return false }
        return object.size > 0 && object.size <= largestFile && object.etag != nil
    }

    /// The cursor whose last file is the nearest at or before a key.
    private func cursor(before key: String) -> Int? {
        var best: Int?
        for index in cursors.indices where !Self.less(key, cursors[index].last) {
            if let found = best, !Self.less(cursors[found].last, cursors[index].last) { continue }
            best = index
        }
        return best
    }

    /// Whether a key is that of the very next small file.
    private func isNext(_ key: String, after last: String, _ following: Following) -> Bool {
        let next = following(last, Self.tolerance).first { Self.isSmall($0) }
        return next.map { Self.same(KnownEntries.key(of: $0), key) } ?? false
    }

    /// Whether a key lies in what a cursor's reader has read, or has ahead of him.
    private static func covers(_ cursor: Cursor, _ key: String) -> Bool {
        if Self.less(key, cursor.first) { return false }
        return !Self.less(cursor.last, key) || cursor.frontier.map { !Self.less($0, key) } ?? false
    }

    private func isNear(_ key: String, _ cursor: Cursor, _ following: Following) -> Bool {
        if let frontier = cursor.frontier, !Self.less(frontier, key) { return true }
        return following(cursor.last, Self.tolerance).contains { Self.same(KnownEntries.key(of: $0), key) }
    }

    private mutating func note(_ key: String, at index: Int) {
        cursors[index].lastUse = events
        if let last = cursors[index].lastLook, Self.same(last, key) { return }
        cursors[index].lastLook = key
        cursors[index].looks += 1
    }

    private mutating func advance(to key: String, at index: Int) {
        if Self.less(cursors[index].last, key) { cursors[index].last = key }
        cursors[index].lastUse = events
        cursors[index].reads += 1
        cursors[index].looks = 0
    }

    private mutating func begin(at key: String) {
        if cursors.count == Self.maximumCursors,
            let oldest = cursors.indices.min(by: { cursors[$0].lastUse < cursors[$1].lastUse })
        {
            cursors.remove(at: oldest)
        }
        // A second pass over what was read: that belongs to the new reader.
        cursors.removeAll { $0.ahead.isEmpty && Self.covers($0, key) }
        for index in cursors.indices where Self.covers(cursors[index], key) {
            cursors[index].first = cursors[index].last
        }
        cursors.append(Cursor(first: key, last: key, lastUse: events))
    }

    // MARK: Plans

    private mutating func topUp(at index: Int, room: Int64, _ following: Following) -> Plan {
        let cursor = cursors[index]
        guard cursor.window > 0, cursor.ahead.count <= cursor.window / 2 else { return Plan() }
        return plan(at: index, count: cursor.window - cursor.ahead.count, room: room, following)
    }

    private mutating func plan(at index: Int, count: Int, room: Int64, _ following: Following) -> Plan {
        let count = min(count, Self.largestSum - ahead)
        guard count > 0 else { return Plan() }
        let last = cursors[index].last
        let start = cursors[index].frontier.map { Self.less(last, $0) ? $0 : last } ?? last
        var plan = Plan()
        var room = room
        let others = cursors.indices.filter { $0 != index }
        for entry in following(start, count + Self.tolerance) {
            // From there on the files are another reader's.
            let key = KnownEntries.key(of: entry)
            if others.contains(where: { Self.covers(cursors[$0], key) }) { break }
            if Self.isSmall(entry), let object = entry.object {
                guard plan.contents.count < count, object.size <= room else { break }
                room -= object.size
                plan.contents.append(entry)
                cursors[index].ahead.append(key)
            } else {
                plan.attributes.append(entry)
            }
            cursors[index].frontier = key
        }
        return plan
    }
}
