internal import DequeModule
internal import ObjectStore

/// The names under which this mount knows versions that it has uploaded itself.
///
/// **Problem.** A pending object has a provisional ETag; in the bucket it gets another one. Open handles and caches hold the
/// provisional one, and must not take the upload for somebody else's change.
///
/// **Design.** For each key uploaded, what was told (ETag, time) and what the store says. As long as the object has the store's
/// ETag, the mount is told what it was told before; any other ETag is a foreign change and shows. Bounded: the oldest go
/// first, and then the mount sees a change that is none, which costs it what it has cached.
struct AliasTable: Sendable {
    struct Alias: Sendable, Equatable {
        var told: ETag
        var stored: ETag
        var date: Timestamp
    }

    private let limit: Int
    private var aliases: [ObjectKey: (alias: Alias, number: UInt64)] = [:]
    private var order = Deque<(key: ObjectKey, number: UInt64)>()
    private var last: UInt64 = 0

    init(limit: Int = 100_000) { self.limit = limit }

    /// The alias of a key.
    subscript(key: ObjectKey) -> Alias? { aliases[key]?.alias }

    mutating func note(_ key: ObjectKey, _ alias: Alias) {
        last += 1
        aliases[key] = (alias, last)
        order.append((key, last))
        while aliases.count > limit || order.count > 2 * limit + 16, let oldest = order.popFirst() {
            if aliases[oldest.key]?.number == oldest.number { aliases[oldest.key] = nil }
        }
    }

    mutating func forget(_ key: ObjectKey) { aliases[key] = nil }

    /// What the mount is told of a version that the store shows.
    func told(_ info: ObjectInfo, of key: ObjectKey) -> ObjectInfo {
        guard let alias = self[key], info.etag == alias.stored else { return info }
        var info = info
        info.etag = alias.told
        info.lastModified = alias.date
        return info
    }

    /// The same for an entry of a listing.
    func told(_ object: ListedObject) -> ListedObject {
        guard let alias = self[object.key], object.etag == alias.stored else { return object }
        var object = object
        object.etag = alias.told
        object.lastModified = alias.date
        return object
    }

    /// What the store knows a version as that the mount names; nil where the store cannot have it any more.
    func stored(_ etag: ETag, of key: ObjectKey) -> ETag? {
        if let alias = self[key], alias.told == etag { return alias.stored }
        return ProvisionalETag.isOne(etag) ? nil : etag
    }
}

/// ETags for what is not in the bucket yet: `pail-`, a random number for each process, a running number.
struct ProvisionalETag: Sendable {
    private let session = UInt64.random(in: .min ... .max)
    private var last: UInt64 = 0

    mutating func next() -> ETag {
        last += 1
        return ETag("pail-" + String(session, radix: 16) + "-" + String(last, radix: 16))
    }

    static func isOne(_ etag: ETag) -> Bool { etag.value.utf8.starts(with: "pail-".utf8) }
}
