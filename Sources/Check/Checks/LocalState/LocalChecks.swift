internal import LocalState
internal import ObjectStore

/// A check of what one mount keeps on this machine; a function of what was read of it.
protocol LocalCheck: Sendable {
    /// What it is.
    static var info: CheckInfo { get }
    /// Looks at one directory.
    static func see(_ state: InspectedState) -> [Finding]
}

/// What is known of one mount's directory.
struct InspectedState: Sendable {
    /// The directory.
    let path: String
    /// Its journal; nil where that could not be read.
    let inventory: JournalInventory?
    /// Why not: the database is not sound.
    let damage: String?
    /// Damaged journals that were put aside earlier.
    let setAside: [String]
    /// The files of the disk cache that are no whole blocks.
    let damagedBlocks: [String]
    /// The most bytes that a mount keeps there.
    let maximumBytes: Int64
    /// For ages.
    let scope: CheckScope
}
