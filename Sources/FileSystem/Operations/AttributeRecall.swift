internal import ObjectStore
import Synchronization
internal import SystemPackage

/// Attributes that an earlier mount asked for, from this machine's disk: a second mount needs only the LIST.
///
/// **Design.** ``AttributeCache`` keeps the headers of a version: key, ETag, time of storing. A fresh listing says which version is there, so its
/// attributes are known without a HEAD; they are as old as the listing. They are asked for a page of a listing at a time where its
/// reader wants attributes (readdirplus), for the window of an attribute walk, and for a single name behind a miss in memory. What is
/// found goes where the read-ahead of attributes puts its answers; what is not is asked for by HEAD as ever.
///
/// **Changes within a second.** Times of storing have whole seconds, and a change of the attributes alone keeps the ETag. So headers are kept only
/// if they were read more than two seconds behind the time of storing, as git's index has it: by this machine's clock when the request was
/// sent, and by the store's own (the answer's `Date`). What is stored later then has a later time.
///
/// **Limits.** A store that lets an object's headers change and keeps its time of storing is not believed wrongly for this mount's own changes
/// (``ChangeNotingStore``), but for others'. A change made elsewhere within `--attribute-timeout` of the listing shows late, as ever.
///
/// Requests: none.
extension BucketFileSystem {
    /// Keeps what a HEAD or GET sent at `seen` has told, if no other version can have the same ETag and time.
    func keepAttributes(_ resolution: Resolution) {
        guard let cache = options.attributeCache, !showsListed, case .object(let info, let key, let seen) = resolution,
            info.etag != nil, !key.isDirectoryMarker, isOlder(info.lastModified, thanReadAt: seen),
            info.answered.map({ $0.seconds > info.lastModified.seconds + 2 }) ?? true
        else { return }
        cache.keep(info, of: key)
    }

    /// Takes what is kept of listed entries for whoever looks them up next. To be called between ``beginLookup(in:)`` of before the listing was
    /// asked for and ``endLookup(in:)``, or for entries that were fresh when it began.
    /// - Parameters:
    ///   - entries: in the order of their keys.
    ///   - prefix: the keys of the directory begin so.
    ///   - seen: when the listing was asked for.
    ///   - isStretch: whether these are all entries from the first to the last.
    /// - Returns: whether anything was found.
    @discardableResult
    func recall(
        _ entries: [KnownEntries.Entry], below prefix: String, in parent: NodeID, seen: Moment, isStretch: Bool
    ) async -> Bool {
        guard let cache = options.attributeCache, !showsListed, !cache.isEmpty else { return false }
        let listed = entries.compactMap { entry in
            entry.object.map { object in
                ListedObject(
                    key: ObjectKey(prefix + entry.name.string), size: object.size, etag: object.etag,
                    lastModified: object.lastModified)
            }
        }
        if listed.isEmpty { return false }
        let found = await cache.recall(listed, isStretch: isStretch)
        if found.isEmpty { return false }
        namespace.withLock { namespace in
            for entry in entries where entry.object != nil {
                let key = ObjectKey(prefix + entry.name.string)
                guard let info = found[key] else { continue }
                notePrefetched(
                    .object(info, key: key, seen: seen), for: LookupTarget(parent: parent, name: entry.name), &namespace
                )
            }
        }
        return true
    }

    /// The same for names that fresh listings show. Returns those of which nothing was found.
    func recall(_ targets: [LookupTarget], in parent: NodeID) async -> [LookupTarget] {
        guard let cache = options.attributeCache, !showsListed, !cache.isEmpty else { return targets }
        let directory = beginLookup(in: parent)
        defer { endLookup(in: directory) }
        let fresh = freshSince
        let (entries, seen, prefix): ([KnownEntries.Entry], Moment?, String?) = namespace.withLock { namespace in
            guard let known = namespace[parent]?.directory?.known, let path = namespace.path(of: parent) else {
                return ([], nil, nil)
            }
            var entries: [KnownEntries.Entry] = []
            var oldest: Moment?
            for target in targets {
                guard case .present(let entry, let seen) = known.knowledge(of: target.name), seen >= fresh,
                    entry.object?.etag != nil
                else { continue }
                entries.append(entry)
                oldest = min(oldest ?? seen, seen)
            }
            return (entries, oldest, keys.listingPrefix(path))
        }
        guard let seen, let prefix else { return targets }
        let isFound = await recall(entries, below: prefix, in: parent, seen: seen, isStretch: false)
        if !isFound { return targets }
        return targets.filter { target in
            namespace.withLock { namespace in
                namespace[parent]?.directory?.prefetched[target.name] == nil
                    && !isFreshlyKnown(target.name, in: parent, namespace, fresh)
            }
        }
    }

    /// Asks for names of a directory that somebody will look up: what is kept first, and the store for the rest.
    func beginLookups(of targets: [LookupTarget], in parent: NodeID) {
        if targets.isEmpty { return }
        guard let cache = options.attributeCache, !showsListed, !cache.isEmpty else {
            for target in targets { beginLookup(of: target) }
            return
        }
        Task { [self] in
            for target in await recall(targets, in: parent) { beginLookup(of: target) }
        }
    }

    private func beginLookup(of target: LookupTarget) {
        let isKnown = { [self] in
            namespace.withLock { namespace in
                namespace.updateDirectory(target.parent) { $0.prefetched[target.name] != nil } ?? true
                    || isFreshlyKnown(target.name, in: target.parent, namespace, freshSince)
            }
        }
        lookups.begin(for: target, unless: isKnown) { [self] in try await resolveNoting(target) }
    }
}
