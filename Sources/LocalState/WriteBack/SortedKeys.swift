internal import ObjectStore

/// The keys with something pending, in byte order: what listings are merged with.
///
/// One sorted array: a look-up is a binary search, a change moves 16 bytes for each key behind it, which for 100,000 pending
/// keys costs less than the fsync that every change costs anyway.
struct SortedKeys: Sendable {
    private var keys: [ObjectKey] = []

    var count: Int { keys.count }

    private func position(_ key: ObjectKey) -> Int {
        var (low, high) = (0, keys.count)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func insert(_ key: ObjectKey) {
        let position = position(key)
        if position == keys.count || keys[position] != key { keys.insert(key, at: position) }
    }

    mutating func remove(_ key: ObjectKey) {
        let position = position(key)
        if position < keys.count, keys[position] == key { keys.remove(at: position) }
    }

    /// The keys that begin with `prefix`.
    func keys(withPrefix prefix: String) -> ArraySlice<ObjectKey> {
        let start = position(ObjectKey(prefix))
        var end = start
        while end < keys.count, keys[end].hasPrefix(prefix) { end += 1 }
        return keys[start..<end]
    }
}
