internal import DequeModule

/// Which files the cache has, in the order of their last use. A value: it touches no disk.
///
/// An entry's place in the order is not moved when it is used; a newer one is added, and the old one passed over when it comes
/// to the front: constant time, at most one stale place for each use since the last sweep.
struct BlockIndex: Sendable {
    private struct Entry {
        var bytes: Int64
        var use: UInt64
    }

    private var entries: [String: Entry] = [:]
    private var order = Deque<(name: String, use: UInt64)>()
    private var uses: UInt64 = 0
    /// Bytes of all files.
    private(set) var bytes: Int64 = 0

    /// The number of files.
    var count: Int { entries.count }

    func contains(_ name: String) -> Bool { entries[name] != nil }

    /// A file was written, or found: the last used one now.
    mutating func add(_ name: String, bytes new: Int64) {
        bytes += new - (entries[name]?.bytes ?? 0)
        uses += 1
        entries[name] = Entry(bytes: new, use: uses)
        order.append((name, uses))
        sweep()
    }

    /// A file was read.
    mutating func touch(_ name: String) {
        if let entry = entries[name] { add(name, bytes: entry.bytes) }
    }

    /// A file is gone, or worth nothing.
    mutating func remove(_ name: String) {
        if let entry = entries.removeValue(forKey: name) { bytes -= entry.bytes }
    }

    /// Takes out the files that were not used for the longest, until there are at most `limit` bytes; returns them.
    mutating func shrink(to limit: Int64) -> [String] {
        var gone: [String] = []
        while bytes > limit, let first = order.popFirst() {
            guard let entry = entries[first.name], entry.use == first.use else { continue }
            remove(first.name)
            gone.append(first.name)
        }
        return gone
    }

    private mutating func sweep() {
        guard order.count > 2 * entries.count + 1024 else { return }
        order.removeAll { entries[$0.name]?.use != $0.use }
    }
}
