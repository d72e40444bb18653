public import ObjectStore

/// A map from object keys to values in byte order of the keys.
///
/// Problem: a listing needs the keys in order from any place on, and tests put up to a million objects in any order. One
/// sorted array would make random insertion quadratic.
///
/// Design: a row of blocks, each a sorted array of at most 512 entries; a search is one binary search over the blocks and
/// one within the block; an insertion moves at most a block and the row of blocks. A position is a block and an offset in
/// it, valid until the next change.
///
/// Limits: a few thousand blocks at a million keys; removing leaves blocks thin but never empty.
public struct SortedKeyMap<Value: Sendable>: Sendable {
    /// One entry.
    public typealias Element = (key: ObjectKey, value: Value)

    /// The place of an entry, or the end.
    public struct Position: Equatable, Sendable {
        fileprivate var block: Int
        fileprivate var offset: Int
    }

    private static var blockCapacity: Int { 512 }

    private var blocks: [[Element]] = []

    /// The number of entries.
    public private(set) var count = 0

    /// A map without entries.
    public init() {}

    /// The first entry's place.
    public var start: Position { Position(block: 0, offset: 0) }

    /// The entry at a place; nil at the end.
    public func entry(at position: Position) -> Element? {
        guard position.block < blocks.count else { return nil }
        return blocks[position.block][position.offset]
    }

    /// The place after another.
    public func position(after position: Position) -> Position {
        var next = position
        next.offset += 1
        if next.offset >= blocks[next.block].count {
            next.block += 1
            next.offset = 0
        }
        return next
    }

    /// The first place whose key does not satisfy `isBefore`, which must hold for a leading run of the keys and no other.
    public func firstPosition(notSatisfying isBefore: (ObjectKey) -> Bool) -> Position {
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(blocks[middle][blocks[middle].count - 1].key) { low = middle + 1 } else { high = middle }
        }
        guard low < blocks.count else { return Position(block: blocks.count, offset: 0) }
        return Position(block: low, offset: Self.offset(in: blocks[low], notSatisfying: isBefore))
    }

    /// The first place whose key is not less than `text`.
    public func position(from text: String) -> Position {
        firstPosition { UTF8Order.precedes($0.string, text) }
    }

    /// The first place whose key is greater than `text`.
    public func position(after text: String) -> Position {
        firstPosition { !UTF8Order.precedes(text, $0.string) }
    }

    /// The first place past all keys that begin with `prefix`.
    public func position(past prefix: String) -> Position {
        firstPosition { UTF8Order.precedes($0.string, prefix) || UTF8Order.begins($0.string, with: prefix) }
    }

    /// The value of a key; setting nil removes it.
    public subscript(key: ObjectKey) -> Value? {
        get {
            let position = place(of: key)
            guard let found = entry(at: position), UTF8Order.equal(found.key.string, key.string) else { return nil }
            return found.value
        }
        set {
            if let newValue { insert(newValue, for: key) } else { remove(key) }
        }
    }

    /// All entries in order.
    public var all: [Element] { blocks.flatMap { $0 } }

    private func place(of key: ObjectKey) -> Position {
        position(from: key.string)
    }

    private mutating func insert(_ value: Value, for key: ObjectKey) {
        guard let last = blocks.last?.last else {
            blocks = [[(key, value)]]
            count = 1
            return
        }
        var position: Position
        if UTF8Order.precedes(last.key.string, key.string) {
            position = Position(block: blocks.count - 1, offset: blocks[blocks.count - 1].count)
        } else {
            position = place(of: key)
            if UTF8Order.equal(blocks[position.block][position.offset].key.string, key.string) {
                blocks[position.block][position.offset].value = value
                return
            }
        }
        if blocks[position.block].count >= Self.blockCapacity {
            // Keys that come in order leave full blocks behind; others split in the middle.
            let cut = position.offset == Self.blockCapacity ? position.offset : Self.blockCapacity / 2
            let tail = Array(blocks[position.block][cut...])
            blocks[position.block].removeSubrange(cut...)
            if position.offset >= cut {
                position = Position(block: position.block + 1, offset: position.offset - cut)
                blocks.insert(tail, at: position.block)
            } else {
                blocks.insert(tail, at: position.block + 1)
            }
        }
        blocks[position.block].insert((key, value), at: position.offset)
        count += 1
    }

    private mutating func remove(_ key: ObjectKey) {
        let position = place(of: key)
        guard let found = entry(at: position), UTF8Order.equal(found.key.string, key.string) else { return }
        blocks[position.block].remove(at: position.offset)
        if blocks[position.block].isEmpty { blocks.remove(at: position.block) }
        count -= 1
    }

    private static func offset(in block: [Element], notSatisfying isBefore: (ObjectKey) -> Bool) -> Int {
        var low = 0
        var high = block.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(block[middle].key) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
