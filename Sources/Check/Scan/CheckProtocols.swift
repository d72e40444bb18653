internal import FileSystem
internal import ObjectStore

/// A check of the keys, in the order of the listing: a value that is fed one key after the other, and holds no more of them
/// than its own rule needs.
protocol ListingCheck: Sendable {
    /// What it is.
    static var info: CheckInfo { get }
    /// Takes the next key.
    mutating func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding])
    /// The listing is over.
    mutating func finish(_ scope: CheckScope, _ found: inout [Finding])
}

extension ListingCheck {
    mutating func finish(_ scope: CheckScope, _ found: inout [Finding]) {}
}

/// A check of one object's headers; a function of them alone.
protocol HeaderCheck: Sendable {
    /// What it is.
    static var info: CheckInfo { get }
    /// Looks at one object.
    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding]
}

/// What a check may know beside the object.
struct CheckScope: Sendable {
    /// What all keys begin with: empty, or ending in `/`.
    var prefix: String
    /// The time, in seconds of Unix time.
    var now: Int64
    /// What is younger is somebody's work under way, in seconds.
    var minimumAge: Int64

    /// Whether something of that time may belong to a program that still runs.
    func mayBeAtWork(_ time: Timestamp) -> Bool { now - time.seconds < minimumAge }

    /// `3 d`, `5 h`, `2 min`: how long ago.
    func age(_ time: Timestamp) -> String {
        let seconds = max(0, now - time.seconds)
        if seconds >= 172_800 { return "\(seconds / 86400) days old" }
        if seconds >= 7200 { return "\(seconds / 3600) h old" }
        return "\(seconds / 60) min old"
    }
}

/// An object with its headers.
struct HeadedObject: Sendable {
    /// What the listing told.
    let entry: ListedEntry
    /// What the HEAD told, as it came.
    let info: ObjectInfo
    /// The same with a marker's attributes taken out of its content type, where the store drops its user metadata.
    let metadata: ObjectMetadata
    /// The attributes that they tell.
    let attributes: StoredAttributes
    /// The longest body of a link that is read, in bytes: a target has at most 4,095, with blanks around it.
    static let linkLimit: Int64 = 8192
    /// A link's body; nil for anything else, and for one over the limit.
    let link: [UInt8]?

    init(_ entry: ListedEntry, _ info: ObjectInfo, link: [UInt8]? = nil) {
        self.entry = entry
        self.info = info
        metadata = entry.isMarker ? DirectoryMarkerCoding.decode(info.metadata) : info.metadata
        var decoded = info
        decoded.metadata = metadata
        attributes = StoredAttributes(
            decoding: decoded, key: entry.key, defaults: AttributeDefaults(owner: 0, group: 0))
        self.link = link
    }

    var key: ObjectKey { entry.key }
}
