public import Logging
public import ObjectStore
import Synchronization
internal import SystemPackage

/// A bucket, or what lies below a prefix of it, as a file system: one object is one file.
///
/// The verbs stand one a file beside this one. Each says in its comment how many requests it costs. What they share is
/// here: the store, the tree, the open handles and the locks.
///
/// **Locks**, in the order in which they may be taken: `treeShape` (held over requests) → an inode's `gate` (held over
/// requests; two inodes' in the order of their ids) → `namespace` → an inode's `state` → the locks inside its content. The
/// last three are held for moments only.
public final class BucketFileSystem: MountableFileSystem {
    let store: any ObjectStore
    let keys: KeySpace
    let options: FileSystemOptions
    let logger: Logger
    let budget: MemoryBudget
    let metadata: MetadataUse
    /// Small files fetched before they are opened.
    let fetched: FetchedFiles
    /// What was asked for ahead of a walker.
    let walk: WalkAhead
    /// What this mount has stored; nil where attributes do not come from listings.
    let storedKeys: StoredKeys?
    let disk: DiskBudget
    let contentTypes: ContentTypeTable

    let namespace: Mutex<Namespace>
    let handles = Mutex(HandleTable())
    let treeShape = AsyncReadWriteLock()
    let lookups = SingleFlight<LookupTarget, Resolution>()
    let lifecycle = Mutex(Lifecycle())
    let directoryForm = Mutex<DirectoryMarkerForm?>(nil)
    /// What directories without a marker show as their times: when the mount began.
    let mountedAt: Timestamp

    /// What the whole mount is going through.
    struct Lifecycle {
        var notifier: (any KernelNotifier)?
        var isDraining = false
        var hiddenNamesReported: Set<String> = []
        /// The store does not list from a key on.
        var ignoresListStart = false
    }

    /// A file system over `store`.
    /// - Parameters:
    ///   - prefix: the keys that belong to it begin so; empty for the whole bucket, else with `/` at its end.
    public init(store: any ObjectStore, prefix: String, options: FileSystemOptions, logger: Logger) {
        precondition(prefix.isEmpty || prefix.hasSuffix("/"))
        keys = KeySpace(prefix: prefix)
        self.options = options
        self.logger = logger
        budget = MemoryBudget(limit: options.memoryLimit - options.overdraft)
        metadata = MetadataUse(budget: budget)
        // Before any reader: what was fetched on a guess is the first to be given back.
        fetched = FetchedFiles(budget: budget, limit: budget.limit / 8, clock: options.clock, logger: logger)
        let storedKeys = options.attributes == .listing ? StoredKeys() : nil
        self.storedKeys = storedKeys
        let (clock, timeout) = (options.clock, options.attributeTimeout)
        walk = WalkAhead(use: metadata) { clock.monotonic().earlier(by: timeout) }
        self.store = ChangeNotingStore(
            base: CheckThenActStore(base: store), fetched: fetched, walk: walk, stored: storedKeys,
            attributes: options.attributeCache)
        disk = DiskBudget(limit: options.diskLimit ?? .max)
        contentTypes = options.contentTypesFile.map { ContentTypeTable(path: FilePath($0)) } ?? ContentTypeTable()
        let now = options.clock.wall()
        mountedAt = now
        let root = Inode(
            node: .root,
            state: Inode.State(
                number: 1,
                attributes: StoredAttributes(
                    type: .directory, permissions: options.rootPermissions, owner: options.owner, group: options.group,
                    modificationTime: now, changeTime: now, accessTime: now),
                seen: options.clock.monotonic()))
        namespace = Mutex(Namespace(root: root, use: metadata))
    }

    /// Keeps the way back to the kernel.
    public func start(notifier: any KernelNotifier) {
        lifecycle.withLock { $0.notifier = notifier }
    }

    /// A name's absence is answered from memory as well as the kernel would, and without its delay.
    public var negativeLifetime: Double { 0 }

    /// What a file shows where nothing is stored.
    var defaults: AttributeDefaults {
        AttributeDefaults(
            owner: options.owner, group: options.group, filePermissions: options.filePermissions,
            directoryPermissions: options.directoryPermissions)
    }

    // MARK: Time

    /// The moment from which on knowledge is fresh.
    var freshSince: Moment { options.clock.monotonic().earlier(by: options.attributeTimeout) }

    /// How long the kernel may still rely on what was seen at `moment`, in seconds.
    func lifetime(seen moment: Moment) -> Double {
        max(0, options.attributeTimeout - options.clock.monotonic().seconds(since: moment))
    }

    // MARK: Inodes

    /// The inode of a number that the kernel holds.
    func inode(_ node: NodeID) throws(Errno) -> Inode {
        guard let inode = namespace.withLock({ $0[node]?.inode }) else { throw .staleNFSFileHandle }
        return inode
    }

    /// What the kernel is told of an inode that it has just looked up. The caller has counted the lookup.
    func entry(for inode: Inode) -> Entry {
        let (attributes, seen, isLocal) = inode.state.withLock { (Inode.view($0), $0.seen, $0.isLocal) }
        let lifetime = isLocal ? options.attributeTimeout : lifetime(seen: seen)
        return Entry(
            node: inode.node, attributes: shown(attributes), attributeLifetime: lifetime, nameLifetime: lifetime)
    }

    /// Attributes as the mount's options want them shown.
    func shown(_ attributes: FileAttributes) -> FileAttributes {
        var attributes = attributes
        if let owner = options.ownerShown { attributes.owner = owner }
        if let group = options.groupShown { attributes.group = group }
        if let umask = options.umask, attributes.type != .symbolicLink { attributes.permissions = 0o777 & ~umask }
        return attributes
    }

    // MARK: Keys

    /// The key of a file; `ENOENT` for what is unlinked.
    func key(of inode: Inode) throws(Errno) -> ObjectKey {
        guard let path = namespace.withLock({ $0.path(of: inode.node) }) else { throw .noSuchFileOrDirectory }
        return inode.type == .directory ? keys.directoryKey(path) : keys.fileKey(path)
    }

    /// The path of an entry of a directory; `ENAMETOOLONG` where its key would be too long.
    func path(of name: FileName, in parent: NodeID) throws(Errno) -> String {
        guard let path = namespace.withLock({ $0.path(of: name, in: parent) }) else { throw .noSuchFileOrDirectory }
        guard keys.fits(path) else { throw .fileNameTooLong }
        if keys.isReserved(path) { throw .permissionDenied }
        return path
    }

    // MARK: Errors

    /// Runs a verb's requests, and turns what they throw into an errno, logging what the caller cannot see.
    func perform<T: Sendable>(
        _ verb: String, _ body: () async throws -> T
    ) async throws(Errno) -> T {
        do {
            return try await body()
        } catch let error as StoreError {
            throw errno(for: error, verb: verb)
        } catch let error as Errno {
            throw error
        } catch is CancellationError {
            throw .interrupted
        } catch {
            logger.error("\(verb): \(error)")
            throw .ioError
        }
    }

    /// The errno of a store's refusal; logs it where an errno says too little.
    func errno(for error: StoreError, verb: String) -> Errno {
        switch error.kind {
        case .notFound, .cancelled: logger.debug("\(verb): \(error)")
        case .preconditionFailed: logger.warning("\(verb): \(error)")
        default: logger.error("\(verb): \(error)")
        }
        if error.kind == .accessDenied, options.showsDeniedAsNotPermitted { return .notPermitted }
        return Errno(error)
    }

    /// Refuses changes to a mount that is read-only or about to end.
    func checkWritable() throws(Errno) {
        if options.isReadOnly { throw .readOnlyFileSystem }
        if lifecycle.withLock({ $0.isDraining }) { throw Errno(rawValue: 108) }  // ESHUTDOWN
    }
}
