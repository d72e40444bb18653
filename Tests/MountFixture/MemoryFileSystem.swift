import FileSystem
import Glibc
import ObjectStore
import Synchronization
import SystemPackage

/// A small file system in memory, to be mounted by tests.
///
/// `delay` nil: all verbs that can answer at once do. Otherwise the `…Now` verbs pass, and the asynchronous ones take that
/// long. It counts what the kernel has of it, so that a test can see that nothing is left: lookups, handles.
final class MemoryFileSystem: MountableFileSystem {
    /// A file of this name is never read to the end: its read waits until it is interrupted.
    static let endless = FileName("endless")!

    final class Bytes: Sendable {
        let array: [UInt8]
        init(_ array: [UInt8]) { self.array = array }
    }

    struct Node {
        var attributes: FileAttributes
        var children: [FileName: UInt64] = [:]
        var data: [UInt8] = []
        var target: [UInt8] = []
        var extended: [String: [UInt8]] = [:]
        var lookups: UInt64 = 0
        var isLinked = true
        var isEndless = false
    }

    struct Handle {
        var node: UInt64
        var flags: OpenFlags
        var entries: [(FileName, UInt64)] = []
    }

    struct State {
        var nodes: [UInt64: Node] = [:]
        var handles: [UInt64: Handle] = [:]
        var next: UInt64 = 2
        var nextHandle: UInt64 = 1
        var notifier: (any KernelNotifier)?
        var isDraining = false
        var interrupted = 0
        var flushes = 0
        var refusedLookups = 0
    }

    private let state: Mutex<State>
    private let delay: Duration?
    private let segmentSize: Int
    private let drainTime: Duration
    private let undrained: Int
    let negativeLifetime: Double

    init(
        delay: Duration? = nil, segmentSize: Int = 64 << 10, drainTime: Duration = .zero, undrained: Int = 0,
        negativeLifetime: Double = 1
    ) {
        self.delay = delay
        self.segmentSize = segmentSize
        self.drainTime = drainTime
        self.undrained = undrained
        self.negativeLifetime = negativeLifetime
        var root = Node(
            attributes: Self.newAttributes(
                inode: 1, type: .directory, permissions: 0o755, uid: geteuid(), gid: getegid()))
        root.lookups = 1
        state = Mutex(State(nodes: [1: root]))
    }

    // MARK: For tests

    /// Handles that the kernel has not released.
    var openHandles: Int { state.withLock { $0.handles.count } }
    /// Nodes besides the root that the kernel remembers.
    var rememberedNodes: Int { state.withLock { $0.nodes.values.count { $0.lookups > 0 } - 1 } }
    /// Verbs that ended with `EINTR`.
    var interrupted: Int { state.withLock { $0.interrupted } }
    /// FLUSH requests seen.
    var flushes: Int { state.withLock { $0.flushes } }
    /// Lookups of names that are not there.
    var refusedLookups: Int { state.withLock { $0.refusedLookups } }
    /// The way to the kernel.
    var notifier: any KernelNotifier { state.withLock { $0.notifier! } }

    /// Replaces a file's content behind the kernel's back, at the same size and times.
    func replaceContent(of name: FileName, by data: [UInt8]) -> NodeID {
        state.withLock { state in
            let node = state.nodes[1]!.children[name]!
            state.nodes[node]!.data = data
            return NodeID(rawValue: node)
        }
    }

    /// Adds a file to the root behind the kernel's back.
    func addFile(_ name: FileName, data: [UInt8]) {
        state.withLock { state in
            _ = Self.make(name, in: 1, type: .regular, permissions: 0o644, by: Caller(uid: 0, gid: 0), &state).map {
                state.nodes[$0]!.data = data
                state.nodes[$0]!.attributes.size = Int64(data.count)
            }
        }
    }

    // MARK: Parts

    private static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }

    private static func newAttributes(
        inode: UInt64, type: FileSystem.FileType, permissions: UInt32, uid: UInt32, gid: UInt32, device: UInt64 = 0
    ) -> FileAttributes {
        let now = now
        return FileAttributes(
            inode: inode, type: type, permissions: permissions, owner: uid, group: gid,
            size: type == .directory ? 4096 : 0, accessTime: now, modificationTime: now, changeTime: now, device: device
        )
    }

    private func now<Value>(_ answer: @autoclosure () -> Result<Value, Errno>) -> Result<Value, Errno>? {
        delay == nil ? answer() : nil
    }

    private func pause() async throws(Errno) {
        guard let delay else { return }
        do { try await Task.sleep(for: delay) } catch { throw interrupt() }
    }

    private func interrupt() -> Errno {
        state.withLock { $0.interrupted += 1 }
        return .interrupted
    }

    private static func entry(_ node: UInt64, _ state: inout State) -> Entry {
        state.nodes[node]!.lookups += 1
        return Entry(
            node: NodeID(rawValue: node), attributes: state.nodes[node]!.attributes, attributeLifetime: 1,
            nameLifetime: 1)
    }

    private static func make(
        _ name: FileName, in parent: UInt64, type: FileSystem.FileType, permissions: UInt32, device: UInt64 = 0,
        by caller: Caller,
        _ state: inout State
    ) -> Result<UInt64, Errno> {
        guard state.nodes[parent]?.attributes.type == .directory else { return .failure(.notDirectory) }
        guard state.nodes[parent]!.children[name] == nil else { return .failure(.fileExists) }
        let number = state.next
        state.next += 1
        var node = Node(
            attributes: newAttributes(
                inode: number, type: type, permissions: permissions, uid: caller.uid, gid: caller.gid, device: device))
        node.isEndless = name == endless
        if node.isEndless { node.attributes.size = 1 << 20 }
        state.nodes[number] = node
        state.nodes[parent]!.children[name] = number
        return .success(number)
    }

    private static func unlinked(_ number: UInt64, _ state: inout State) {
        state.nodes[number]!.isLinked = false
        if state.nodes[number]!.lookups == 0 { state.nodes[number] = nil }
    }

    // MARK: Names

    func start(notifier: any KernelNotifier) { state.withLock { $0.notifier = notifier } }

    private func doLookup(_ name: FileName, _ parent: NodeID) -> Result<Entry, Errno> {
        state.withLock { state in
            guard let node = state.nodes[parent.rawValue]?.children[name] else {
                state.refusedLookups += 1
                return .failure(.noSuchFileOrDirectory)
            }
            return .success(Self.entry(node, &state))
        }
    }

    func lookupNow(_ name: FileName, in parent: NodeID, by caller: Caller) -> Result<Entry, Errno>? {
        now(doLookup(name, parent))
    }

    func lookup(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) -> Entry {
        try await pause()
        return try doLookup(name, parent).get()
    }

    func forget(_ node: NodeID, lookups count: UInt64) {
        state.withLock { state in
            guard let known = state.nodes[node.rawValue] else { return }
            precondition(known.lookups >= count, "forgotten more often than looked up")
            state.nodes[node.rawValue]!.lookups -= count
            if known.lookups == count && !known.isLinked { state.nodes[node.rawValue] = nil }
        }
    }

    func makeDirectory(
        _ name: FileName, in parent: NodeID, permissions: UInt32, by caller: Caller
    ) async throws(Errno) -> Entry {
        try await makeNode(name, in: parent, type: .directory, permissions: permissions, device: 0, by: caller)
    }

    func makeNode(
        _ name: FileName, in parent: NodeID, type: FileSystem.FileType, permissions: UInt32, device: UInt64,
        by caller: Caller
    ) async throws(Errno) -> Entry {
        try await pause()
        return try state.withLock { state in
            Self.make(
                name, in: parent.rawValue, type: type, permissions: permissions & ~caller.umask, device: device,
                by: caller,
                &state
            ).map { Self.entry($0, &state) }
        }.get()
    }

    func makeSymbolicLink(
        _ name: FileName, in parent: NodeID, target: [UInt8], by caller: Caller
    ) async throws(Errno) -> Entry {
        try await pause()
        return try state.withLock { state in
            Self.make(name, in: parent.rawValue, type: .symbolicLink, permissions: 0o777, by: caller, &state).map {
                state.nodes[$0]!.target = target
                state.nodes[$0]!.attributes.size = Int64(target.count)
                return Self.entry($0, &state)
            }
        }.get()
    }

    private func remove(_ name: FileName, _ parent: NodeID, directory: Bool) -> Result<Void, Errno> {
        state.withLock { state in
            guard let node = state.nodes[parent.rawValue]?.children[name] else {
                return .failure(.noSuchFileOrDirectory)
            }
            let isDirectory = state.nodes[node]!.attributes.type == .directory
            guard isDirectory == directory else { return .failure(directory ? .notDirectory : .isDirectory) }
            guard state.nodes[node]!.children.isEmpty else { return .failure(.directoryNotEmpty) }
            state.nodes[parent.rawValue]!.children[name] = nil
            Self.unlinked(node, &state)
            return .success(())
        }
    }

    func unlink(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) {
        try await pause()
        try remove(name, parent, directory: false).get()
    }

    func removeDirectory(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) {
        try await pause()
        try remove(name, parent, directory: true).get()
    }

    func rename(
        _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
        by caller: Caller
    ) async throws(Errno) {
        try await pause()
        try state.withLock { state -> Result<Void, Errno> in
            guard !flags.contains(.exchange) else { return .failure(.invalidArgument) }
            guard let node = state.nodes[parent.rawValue]?.children[name] else {
                return .failure(.noSuchFileOrDirectory)
            }
            let old = state.nodes[newParent.rawValue]?.children[newName]
            if old != nil && flags.contains(.noReplace) { return .failure(.fileExists) }
            if let old, !state.nodes[old]!.children.isEmpty { return .failure(.directoryNotEmpty) }
            state.nodes[parent.rawValue]!.children[name] = nil
            state.nodes[newParent.rawValue]!.children[newName] = node
            if let old, old != node { Self.unlinked(old, &state) }
            return .success(())
        }.get()
    }

    // MARK: Attributes

    private func doAttributes(_ node: NodeID) -> Result<(FileAttributes, lifetime: Double), Errno> {
        state.withLock { state in
            guard let node = state.nodes[node.rawValue] else { return .failure(.staleNFSFileHandle) }
            return .success((node.attributes, lifetime: 1))
        }
    }

    func attributesNow(of node: NodeID, handle: HandleID?) -> Result<(FileAttributes, lifetime: Double), Errno>? {
        now(doAttributes(node))
    }

    func attributes(of node: NodeID, handle: HandleID?) async throws(Errno) -> (FileAttributes, lifetime: Double) {
        try await pause()
        return try doAttributes(node).get()
    }

    func setAttributes(
        of node: NodeID, handle: HandleID?, to changes: AttributeChanges, by caller: Caller
    ) async throws(Errno) -> (FileAttributes, lifetime: Double) {
        try await pause()
        state.withLock { state in
            guard var known = state.nodes[node.rawValue] else { return }
            if let permissions = changes.permissions { known.attributes.permissions = permissions }
            if let owner = changes.owner { known.attributes.owner = owner }
            if let group = changes.group { known.attributes.group = group }
            if let size = changes.size {
                known.data = Array(known.data.prefix(Int(size)))
                known.data += [UInt8](repeating: 0, count: Int(size) - known.data.count)
                known.attributes.size = size
            }
            for (change, field) in [
                (changes.accessTime, \FileAttributes.accessTime),
                (changes.modificationTime, \FileAttributes.modificationTime),
            ] {
                switch change {
                case .now: known.attributes[keyPath: field] = Self.now
                case .at(let time): known.attributes[keyPath: field] = time
                case nil: break
                }
            }
            known.attributes.changeTime = changes.changeTime ?? Self.now
            state.nodes[node.rawValue] = known
        }
        return try doAttributes(node).get()
    }

    func readSymbolicLink(_ node: NodeID) async throws(Errno) -> [UInt8] {
        try await pause()
        return state.withLock { $0.nodes[node.rawValue]!.target }
    }

    func extendedAttribute(_ name: String, of node: NodeID) async throws(Errno) -> [UInt8] {
        try await pause()
        guard let value = state.withLock({ $0.nodes[node.rawValue]!.extended[name] }) else { throw .noData }
        return value
    }

    func extendedAttributeNames(of node: NodeID) async throws(Errno) -> [String] {
        try await pause()
        return state.withLock { $0.nodes[node.rawValue]!.extended.keys.sorted() }
    }

    func setExtendedAttribute(
        _ name: String, of node: NodeID, to value: [UInt8], mustCreate: Bool, mustReplace: Bool, by caller: Caller
    ) async throws(Errno) {
        try await pause()
        try state.withLock { state -> Result<Void, Errno> in
            let exists = state.nodes[node.rawValue]!.extended[name] != nil
            if exists && mustCreate { return .failure(.fileExists) }
            if !exists && mustReplace { return .failure(.noData) }
            state.nodes[node.rawValue]!.extended[name] = value
            return .success(())
        }.get()
    }

    func removeExtendedAttribute(_ name: String, of node: NodeID, by caller: Caller) async throws(Errno) {
        try await pause()
        guard state.withLock({ $0.nodes[node.rawValue]!.extended.removeValue(forKey: name) }) != nil else {
            throw .noData
        }
    }

    func statistics() -> FileSystemStatistics {
        FileSystemStatistics(blockSize: 4096, blocks: 1 << 30, freeBlocks: 1 << 29, files: 1 << 20, freeFiles: 1 << 19)
    }

    // MARK: Open files

    private func doCreate(
        _ name: FileName, _ parent: NodeID, _ permissions: UInt32, _ flags: OpenFlags, _ caller: Caller
    ) -> Result<CreateReply, Errno> {
        state.withLock { state in
            guard !state.isDraining else { return .failure(Errno(rawValue: ESHUTDOWN)) }
            let permissions = permissions & ~caller.umask
            return Self.make(name, in: parent.rawValue, type: .regular, permissions: permissions, by: caller, &state)
                .map {
                    let entry = Self.entry($0, &state)
                    return CreateReply(entry: entry, open: OpenReply(handle: Self.open($0, flags, &state)))
                }
        }
    }

    private static func open(_ node: UInt64, _ flags: OpenFlags, _ state: inout State) -> HandleID {
        let number = state.nextHandle
        state.nextHandle += 1
        state.handles[number] = Handle(node: node, flags: flags)
        return HandleID(rawValue: number)
    }

    func createNow(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) -> Result<CreateReply, Errno>? { now(doCreate(name, parent, permissions, flags, caller)) }

    func create(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) async throws(Errno) -> CreateReply {
        try await pause()
        return try doCreate(name, parent, permissions, flags, caller).get()
    }

    private func doOpen(_ node: NodeID, _ flags: OpenFlags) -> Result<OpenReply, Errno> {
        state.withLock { state in
            guard state.nodes[node.rawValue] != nil else { return .failure(.staleNFSFileHandle) }
            if flags.isWritable && state.isDraining { return .failure(Errno(rawValue: ESHUTDOWN)) }
            if flags.contains(.truncate) {
                state.nodes[node.rawValue]!.data = []
                state.nodes[node.rawValue]!.attributes.size = 0
                state.nodes[node.rawValue]!.attributes.modificationTime = Self.now
            }
            return .success(
                OpenReply(handle: Self.open(node.rawValue, flags, &state), keepsPageCache: !flags.contains(.truncate)))
        }
    }

    func openNow(_ node: NodeID, flags: OpenFlags, by caller: Caller) -> Result<OpenReply, Errno>? {
        now(doOpen(node, flags))
    }

    func open(_ node: NodeID, flags: OpenFlags, by caller: Caller) async throws(Errno) -> OpenReply {
        try await pause()
        return try doOpen(node, flags).get()
    }

    private func doRead(_ handle: HandleID, _ offset: Int64, _ length: Int) -> Result<ReadReply, Errno> {
        state.withLock { state in
            guard let node = state.handles[handle.rawValue].flatMap({ state.nodes[$0.node] }) else {
                return .failure(.badFileDescriptor)
            }
            let start = min(Int(offset), node.data.count)
            let end = min(start + length, node.data.count)
            var segments: [ReadReply.Segment] = []
            for position in stride(from: start, to: end, by: segmentSize) {
                let size = min(segmentSize, end - position)
                let owner = Storage(node.data[position..<position + size])
                segments.append(ReadReply.Segment(bytes: UnsafeRawBufferPointer(owner.buffer), owner: owner))
            }
            return .success(ReadReply(segments: segments))
        }
    }

    private final class Storage: @unchecked Sendable {
        let buffer: UnsafeMutableRawBufferPointer
        init(_ bytes: ArraySlice<UInt8>) {
            buffer = .allocate(byteCount: bytes.count, alignment: 16)
            buffer.copyBytes(from: bytes)
        }
        deinit { buffer.deallocate() }
    }

    private func isEndless(_ handle: HandleID) -> Bool {
        state.withLock { state in state.handles[handle.rawValue].flatMap { state.nodes[$0.node]?.isEndless } ?? false }
    }

    func readNow(_ handle: HandleID, offset: Int64, length: Int) -> Result<ReadReply, Errno>? {
        isEndless(handle) ? nil : now(doRead(handle, offset, length))
    }

    func read(_ handle: HandleID, offset: Int64, length: Int) async throws(Errno) -> ReadReply {
        if isEndless(handle) {
            do { while true { try await Task.sleep(for: .seconds(3600)) } } catch { throw interrupt() }
        }
        try await pause()
        return try doRead(handle, offset, length).get()
    }

    private func doWrite(_ handle: HandleID, _ offset: Int64, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno> {
        state.withLock { state in
            guard let known = state.handles[handle.rawValue], state.nodes[known.node] != nil else {
                return .failure(.badFileDescriptor)
            }
            let number = known.node
            let count = state.nodes[number]!.data.count
            let offset = known.flags.contains(.append) ? count : Int(offset)
            let missing = offset + bytes.count - count
            if missing > 0 {
                state.nodes[number]!.data += [UInt8](repeating: 0, count: missing)
            }
            state.nodes[number]!.data.withUnsafeMutableBytes { data in
                UnsafeMutableRawBufferPointer(rebasing: data[offset..<offset + bytes.count]).copyMemory(from: bytes)
            }
            state.nodes[number]!.attributes.size = Int64(state.nodes[number]!.data.count)
            state.nodes[number]!.attributes.modificationTime = Self.now
            return .success(bytes.count)
        }
    }

    func writeNow(_ handle: HandleID, offset: Int64, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>? {
        now(doWrite(handle, offset, bytes))
    }

    func write(_ handle: HandleID, offset: Int64, _ bytes: [UInt8]) async throws(Errno) -> Int {
        try await pause()
        return try bytes.withUnsafeBytes { doWrite(handle, offset, $0) }.get()
    }

    func flushNow(_ handle: HandleID, by caller: Caller) -> Result<Void, Errno>? {
        guard delay == nil else { return nil }
        state.withLock { $0.flushes += 1 }
        return .success(())
    }

    func flush(_ handle: HandleID, by caller: Caller) async throws(Errno) {
        try await pause()
        state.withLock { $0.flushes += 1 }
    }

    func synchronize(_ handle: HandleID) async throws(Errno) { try await pause() }

    func release(_ handle: HandleID) async {
        try? await pause()
        state.withLock { _ = $0.handles.removeValue(forKey: handle.rawValue) }
    }

    func releaseNow(_ handle: HandleID) -> Bool {
        guard delay == nil else { return false }
        state.withLock { _ = $0.handles.removeValue(forKey: handle.rawValue) }
        return true
    }

    // MARK: Open directories

    private func doOpenDirectory(_ node: NodeID) -> Result<HandleID, Errno> {
        state.withLock { state in
            guard let known = state.nodes[node.rawValue] else { return .failure(.staleNFSFileHandle) }
            let handle = Self.open(node.rawValue, [], &state)
            state.handles[handle.rawValue]!.entries = known.children.sorted { $0.key < $1.key }.map {
                ($0.key, $0.value)
            }
            return .success(handle)
        }
    }

    func openDirectory(_ node: NodeID) async throws(Errno) -> HandleID {
        try await pause()
        return try doOpenDirectory(node).get()
    }

    func openDirectoryNow(_ node: NodeID) -> Result<HandleID, Errno>? { now(doOpenDirectory(node)) }

    /// Cookies that ``prepareDirectory`` was called for: with a delay, entries must be prepared before they are handed out.
    private let prepared = Mutex<Set<[UInt64]>>([])

    func readDirectoryNow(
        _ handle: HandleID, from cookie: UInt64, plus: Bool, emit: (DirectoryItem) -> Bool
    ) -> Result<Void, Errno>? {
        if delay != nil, prepared.withLock({ $0.remove([handle.rawValue, cookie]) }) == nil { return nil }
        return state.withLock { state in
            guard let known = state.handles[handle.rawValue] else { return .failure(.badFileDescriptor) }
            for position in Int(cookie)..<max(known.entries.count + 2, Int(cookie)) {
                let next = UInt64(position + 1)
                if position < 2 {
                    let item = DirectoryItem(
                        name: position == 0 ? "." : "..", inode: known.node, type: .directory, next: next)
                    if !emit(item) { break }
                    continue
                }
                let (name, node) = known.entries[position - 2]
                guard let attributes = state.nodes[node]?.attributes else { continue }
                // Every third entry without attributes: the kernel then looks it up.
                let entry = plus && position % 3 != 0 ? Self.entry(node, &state) : nil
                let item = DirectoryItem(
                    name: name.string, inode: node, type: position % 5 == 0 ? nil : attributes.type, next: next,
                    entry: entry)
                if !emit(item) {
                    if entry != nil { state.nodes[node]!.lookups -= 1 }
                    break
                }
            }
            return .success(())
        }
    }

    func prepareDirectory(_ handle: HandleID, from cookie: UInt64) async throws(Errno) {
        try await pause()
        prepared.withLock { _ = $0.insert([handle.rawValue, cookie]) }
    }

    func synchronizeDirectory(_ handle: HandleID) async throws(Errno) { try await pause() }

    func releaseDirectory(_ handle: HandleID) { state.withLock { _ = $0.handles.removeValue(forKey: handle.rawValue) } }

    // MARK: The end

    func drain() async -> Int {
        state.withLock { $0.isDraining = true }
        try? await Task.sleep(for: drainTime)
        return Task.isCancelled ? max(undrained, 1) : undrained
    }
}
