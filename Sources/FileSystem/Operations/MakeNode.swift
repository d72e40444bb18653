internal import ObjectStore
import Synchronization
public import SystemPackage

/// `MKDIR`, `MKNOD` and `SYMLINK`: objects that are whole from the start.
///
/// Requests: one PUT under `If-None-Match: *`, so that of two hosts only one makes the name; before it, a lookup where the
/// name's absence is not freshly known.
extension BucketFileSystem {
    /// `MKDIR`
    public func makeDirectory(_ name: FileName, in parent: NodeID, permissions: UInt32, by caller: Caller)
        async throws(Errno) -> Entry
    {
        let attributes = try newAttributes(.directory, permissions: permissions, in: parent, by: caller)
        return try await make(name, in: parent, attributes: attributes, body: [])
    }

    /// `MKNOD`
    public func makeNode(
        _ name: FileName, in parent: NodeID, type: FileType, permissions: UInt32, device: UInt64, by caller: Caller
    ) async throws(Errno) -> Entry {
        let attributes = try newAttributes(type, permissions: permissions, in: parent, by: caller, device: device)
        return try await make(name, in: parent, attributes: attributes, body: [])
    }

    /// `SYMLINK`: the object's body is the target.
    public func makeSymbolicLink(_ name: FileName, in parent: NodeID, target: [UInt8], by caller: Caller)
        async throws(Errno) -> Entry
    {
        let body = try SymbolicLinkBody.body(for: target)
        let attributes = try newAttributes(.symbolicLink, permissions: 0o777, in: parent, by: caller)
        return try await make(name, in: parent, attributes: attributes, body: body)
    }

    private func make(_ name: FileName, in parent: NodeID, attributes: StoredAttributes, body: [UInt8])
        async throws(Errno) -> Entry
    {
        try checkWritable()
        try await checkAbsent(name, in: parent)
        let path = try path(of: name, in: parent)
        let isDirectory = attributes.type == .directory
        let inode = try await perform("make", on: [NamePlace(parent: parent, name: name)]) {
            try await self.treeShape.lock(exclusive: false)
            defer { self.treeShape.unlock(exclusive: false) }
            let key = isDirectory ? self.keys.directoryKey(path) : self.keys.fileKey(path)
            let stored: StoredObject
            let metadata: ObjectMetadata
            do {
                if isDirectory {
                    (stored, metadata) = try await self.putMarker(
                        key, attributes: attributes, merging: ObjectMetadata(), if: .absent)
                } else {
                    var existing = ObjectMetadata()
                    if attributes.type == .symbolicLink, SymbolicLinkBody.needsExactMark(body) {
                        existing.user[SymbolicLinkBody.exactMark.name] = SymbolicLinkBody.exactMark.value
                    }
                    metadata = try attributes.metadata(
                        merging: existing, contentType: self.contentTypes.contentType(for: key))
                    stored = try await self.putWhole(key, body: ArrayBody(body), metadata: metadata, if: .absent)
                }
            } catch let error as StoreError where error.kind == .preconditionFailed {
                throw Errno.fileExists
            }
            return try self.noteMade(
                name, in: parent, path: path, attributes: attributes, size: Int64(body.count), key: key, stored: stored,
                metadata: metadata)
        }
        noteExclusive(in: parent)
        if attributes.type == .symbolicLink { inode.state.withLock { $0.linkTarget = body } }
        touch(parent)
        return entry(for: inode)
    }

    /// Fails with `EEXIST` where the name is there.
    func checkAbsent(_ name: FileName, in parent: NodeID) async throws(Errno) {
        if isKnownAbsent(name, in: parent) { return }
        do {
            let inode = try await find(name, in: parent)
            forget(inode.node, lookups: 1)
        } catch Errno.noSuchFileOrDirectory {
            return
        }
        throw .fileExists
    }

    private func noteMade(
        _ name: FileName, in parent: NodeID, path: String, attributes: StoredAttributes, size: Int64, key: ObjectKey,
        stored: StoredObject, metadata: ObjectMetadata
    ) throws(Errno) -> Inode {
        let seen = options.clock.monotonic()
        let lastModified = stored.date ?? Timestamp(seconds: options.clock.wall().seconds)
        let isDirectory = attributes.type == .directory
        let inode: Inode? = namespace.withLock { namespace in
            guard namespace[parent]?.directory != nil else { return nil }
            let numbers = namespace.makeNumbers(path: path)
            let inode = Inode(
                node: numbers.id,
                state: Inode.State(
                    number: numbers.number, attributes: attributes, size: size, metadata: metadata,
                    version: ObjectVersion(key: key, etag: stored.etag, size: size), lastModified: lastModified,
                    seen: seen, isComplete: true))
            namespace.insert(inode, as: name, in: parent)
            namespace.addLookup(inode.node)
            _ = namespace.updateDirectory(parent) { directory in
                directory.noteStored(
                    name, isDirectory ? nil : .init(size: size, etag: stored.etag, lastModified: lastModified), at: seen
                )
            }
            if isDirectory { _ = namespace.updateDirectory(inode.node) { $0.known.becomeEmpty(at: seen) } }
            return inode
        }
        guard let inode else { throw .noSuchFileOrDirectory }
        keepMetadataBound()
        return inode
    }

    /// `READLINK`: one GET, once for each version of the link.
    public func readSymbolicLink(_ node: NodeID) async throws(Errno) -> [UInt8] {
        let inode = try inode(node)
        guard inode.type == .symbolicLink else { throw .invalidArgument }
        let (cached, version, isExact) = inode.state.withLock { state in
            let mark = state.metadata.user[SymbolicLinkBody.exactMark.name]
            return (state.linkTarget, state.version, mark == SymbolicLinkBody.exactMark.value)
        }
        noteAccess(to: inode)
        if let cached { return cached }
        guard let version else { throw .noSuchFileOrDirectory }
        let body = try await perform("readlink") {
            let sink = CollectingSink(limit: 2 * SymbolicLinkBody.maximumLength)
            _ = try await self.store.get(version.key, range: nil, ifMatch: version.etag, into: sink)
            return sink.bytes
        }
        let target = try SymbolicLinkBody.target(from: body, isExact: isExact)
        inode.state.withLock { if $0.version == version { $0.linkTarget = target } }
        return target
    }
}

/// Collects a small object.
private final class CollectingSink: DownloadSink {
    private let collected = Mutex<[UInt8]>([])
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var bytes: [UInt8] { collected.withLock { $0 } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {}

    func receive(_ bytes: UnsafeRawBufferPointer) {
        collected.withLock { $0.append(contentsOf: bytes.prefix(limit - $0.count)) }
    }
}
