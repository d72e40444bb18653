internal import Logging
internal import ObjectStore
import Synchronization
internal import SystemPackage

/// The object that stands for a directory, `d/`: stored by mkdir, by changes of attributes, and before the last entry of a
/// directory that had none goes.
///
/// Requests: one PUT. Once a mount, one HEAD more, to see whether the store keeps user metadata on such keys; where it does,
/// that first marker is put once more, without the other form (see ``DirectoryMarkerForm``).
extension BucketFileSystem {
    /// Puts the marker of a directory that is in the tree.
    func storeMarker(of inode: Inode, key: ObjectKey) async throws {
        let state = inode.state.withLock { $0 }
        let (stored, metadata) = try await putMarker(
            key, attributes: state.storable, merging: state.metadata, if: .none)
        let now = options.clock.monotonic()
        inode.state.withLock { current in
            current.version = ObjectVersion(key: key, etag: stored.etag, size: 0)
            current.lastModified = stored.date
            current.metadata = metadata
            current.seen = now
            current.isComplete = true
            if current.attributes == state.attributes { current.hasUnstoredAttributes = false }
        }
    }

    /// Puts a marker. Returns the store's word and the metadata as a later HEAD will tell it.
    func putMarker(
        _ key: ObjectKey, attributes: StoredAttributes, merging existing: ObjectMetadata, if precondition: Precondition
    ) async throws -> (StoredObject, ObjectMetadata) {
        let metadata = try attributes.metadata(merging: existing, contentType: DirectoryForm.contentType)
        let known = directoryForm.withLock { $0 }
        let body = ArrayBody([])
        // Where nobody knows yet what the store keeps, both forms at once: whatever happens next, the marker is whole.
        let encoded = DirectoryMarkerCoding.encode(metadata, form: known ?? .contentTypeParameter)
        let stored = try await putWhole(key, body: body, metadata: encoded, if: precondition)
        guard known == nil, let form = try? await learnForm(from: key) else { return (stored, metadata) }
        directoryForm.withLock { $0 = form }
        guard form == .userMetadata else {
            logger.info("the store drops user metadata of directories; it is kept in their content type instead")
            return (stored, metadata)
        }
        let plain = DirectoryMarkerCoding.encode(metadata, form: form)
        do {
            return (try await putWhole(key, body: body, metadata: plain, if: .none), metadata)
        } catch {
            logger.debug("a directory's marker keeps its metadata in two forms: \(error)")
        }
        return (stored, metadata)
    }

    /// What the store has kept of a marker in both forms. One HEAD.
    private func learnForm(from key: ObjectKey) async throws(StoreError) -> DirectoryMarkerForm {
        try await store.head(key).metadata.user["mode"] != nil ? .userMetadata : .contentTypeParameter
    }

    /// Makes sure that a directory stays when its last entry goes: puts its marker where none is stored. None for the root.
    func keepDirectory(_ node: NodeID) async throws {
        guard node != .root, let inode = namespace.withLock({ $0[node]?.inode }) else { return }
        if showsListed, inode.state.withLock({ !$0.isUnlinked }) { try await complete(inode) }
        guard inode.state.withLock({ $0.isComplete && $0.version == nil && !$0.isUnlinked }) else { return }
        try await storeMarker(of: inode, key: key(of: inode))
    }

    /// Entries were made or removed: the directory's times say so, on this mount.
    func touch(_ directory: NodeID) {
        let now = options.clock.wall()
        namespace.withLock { $0[directory]?.inode }?.state.withLock { state in
            state.touched = now
            state.attributes.modificationTime = now
            state.attributes.changeTime = now
        }
    }
}
