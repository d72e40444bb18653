public import ObjectStore

/// Keeps on this machine's disk what HEADs have told, so that the next mount needs only listings to show the same attributes.
///
/// **Contract.** An entry belongs to one version as a listing shows it: key, ETag and time of storing, in whole seconds. The file system hands in
/// only what was read more than two seconds behind that time, so that no other version can have the same three. An
/// implementation may lose entries whenever it likes; it must never give one that was not handed in for exactly that version.
public protocol AttributeCache: Sendable {
    /// Whether there is surely nothing to be found, so that nobody waits for a look.
    var isEmpty: Bool { get }
    /// What is kept of the listed objects, which lie in one directory and come in the order of their keys. May wait for the disk.
    /// - Parameter isStretch: whether these are all objects of the directory from the first to the last: what is kept of others between
    ///   them is of objects that are gone.
    func recall(_ listed: [ListedObject], isStretch: Bool) async -> [ObjectKey: ObjectInfo]
    /// Keeps what a HEAD or GET has told of a key. Returns at once; it is written in the background.
    func keep(_ info: ObjectInfo, of key: ObjectKey)
    /// Forgets what is kept of a key. Returns at once.
    func forget(_ key: ObjectKey)
}
