/// Recognises a walker that stats a directory's entries one after the other, and says how far to fetch attributes ahead.
///
/// **Problem.** A listing gives size and time of an object, but mode and owner stand in its headers: one HEAD each. `ls -l`
/// asks for them one by one, and waiting a round trip for each makes minutes out of a directory of thousands.
///
/// **Design.** A pure value, told of each entry asked for. When it lies close behind the one before in listing order, the
/// window opens and grows (from ``firstWindow`` up to ``largestWindow`` entries), and whenever less than half of it is left
/// ahead of the walker, the entries up to its end are to be fetched, wide, before they are asked for. Any other step closes
/// it: somebody who stats at random pays for nothing but what he asks for.
///
/// **Limits.** One walker a directory at a time: two at once look like random steps and cost a round trip an entry, as
/// without read-ahead.
struct AttributeWalk: Sendable, Equatable {
    /// The first window, in entries: as small as a chance hit may cost.
    static let firstWindow = 32
    /// The largest window: twice what 128 connections fetch in a round trip. More would grow old before it is asked for.
    static let largestWindow = 256
    /// A step of at most so many entries still counts as walking on: a walker skips what it knows.
    static let tolerance = 16

    /// The entry asked for last, by its key.
    private var last: String?
    /// The last entry fetched ahead, by its key.
    private var frontier: String?
    /// How many entries after `last` are fetched or being fetched.
    private var ahead = 0
    /// How many there shall be.
    private var window = 0
    /// How many there may be: lower where what was fetched ahead grew too old.
    private var ceiling = Self.largestWindow

    /// What was fetched ahead had grown too old when it was asked for: the walker, or the store, is slower than thought.
    mutating func expired() {
        ceiling = max(Self.firstWindow, window / 2)
        window = min(window, ceiling)
    }

    /// The entry of that key is asked for. `following` gives the next entries in listing order after a key. Returns the
    /// entries whose attributes shall be fetched now, besides the one asked for.
    mutating func ask(
        for key: String, following: (_ key: String, _ limit: Int) -> [KnownEntries.Entry]
    ) -> [KnownEntries.Entry] {
        guard let last else {
            last = key
            return []
        }
        self.last = key
        if last.utf8.elementsEqual(key.utf8) { return [] }
        let near = following(last, Self.tolerance)
        guard let step = near.firstIndex(where: { KnownEntries.key(of: $0).utf8.elementsEqual(key.utf8) }) else {
            frontier = nil
            ahead = 0
            window = 0
            return []
        }
        ahead = max(0, ahead - step - 1)
        guard ahead <= window / 2 else { return [] }
        if window == ceiling { ceiling = min(Self.largestWindow, ceiling + ceiling / 16 + 1) }
        window = min(ceiling, max(Self.firstWindow, window * 2))
        let start = ahead > 0 ? frontier ?? key : key
        let entries = following(start, window - ahead)
        if let lastEntry = entries.last { frontier = KnownEntries.key(of: lastEntry) }
        ahead += entries.count
        return entries
    }
}
