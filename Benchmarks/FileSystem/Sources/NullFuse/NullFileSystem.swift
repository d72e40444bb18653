import FileSystem
import Glibc
import Mount
import ObjectStore
import SystemPackage

/// One file, `data`, of any size: reads give the same block of memory again and again, writes go nowhere.
///
/// With `isAsynchronous`, reads and writes take the way through a task, to show what that costs.
final class NullFileSystem: MountableFileSystem {
    private final class Block: @unchecked Sendable {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        init() { bytes.initializeMemory(as: UInt8.self, repeating: 0x5A) }
        deinit { bytes.deallocate() }
    }

    private let block = Block()
    private let isAsynchronous: Bool
    private let isDirect: Bool
    private let size: Int64
    let negativeLifetime = 1.0

    init(size: Int64, isAsynchronous: Bool, isDirect: Bool) {
        self.size = size
        self.isAsynchronous = isAsynchronous
        self.isDirect = isDirect
    }

    private func attributes(_ node: NodeID) -> FileAttributes {
        let time = Timestamp(seconds: 1_700_000_000)
        return FileAttributes(
            inode: node.rawValue, type: node == .root ? .directory : .regular,
            permissions: node == .root ? 0o755 : 0o644,
            owner: geteuid(), group: getegid(), size: node == .root ? 4096 : size, accessTime: time,
            modificationTime: time, changeTime: time)
    }

    func start(notifier: any KernelNotifier) {}

    func lookupNow(_ name: FileName, in parent: NodeID, by caller: Caller) -> Result<Entry, Errno>? {
        guard name.string == "data" else { return .failure(.noSuchFileOrDirectory) }
        let node = NodeID(rawValue: 2)
        return .success(Entry(node: node, attributes: attributes(node), attributeLifetime: 60, nameLifetime: 60))
    }
    func lookup(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) -> Entry {
        throw .noSuchFileOrDirectory
    }
    func forget(_ node: NodeID, lookups count: UInt64) {}
    func makeDirectory(
        _ name: FileName, in parent: NodeID, permissions: UInt32, by caller: Caller
    ) async throws(Errno) -> Entry { throw .readOnlyFileSystem }
    func makeNode(
        _ name: FileName, in parent: NodeID, type: FileSystem.FileType, permissions: UInt32, device: UInt64,
        by caller: Caller
    ) async throws(Errno) -> Entry { throw .readOnlyFileSystem }
    func makeSymbolicLink(
        _ name: FileName, in parent: NodeID, target: [UInt8], by caller: Caller
    ) async throws(Errno) -> Entry { throw .readOnlyFileSystem }
    func unlink(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) {}
    func removeDirectory(_ name: FileName, in parent: NodeID, by caller: Caller) async throws(Errno) {}
    func rename(
        _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
        by caller: Caller
    ) async throws(Errno) { throw .readOnlyFileSystem }

    func attributesNow(of node: NodeID, handle: HandleID?) -> Result<(FileAttributes, lifetime: Double), Errno>? {
        .success((attributes(node), lifetime: 60))
    }
    func attributes(of node: NodeID, handle: HandleID?) async throws(Errno) -> (FileAttributes, lifetime: Double) {
        (attributes(node), lifetime: 60)
    }
    func setAttributes(
        of node: NodeID, handle: HandleID?, to changes: AttributeChanges, by caller: Caller
    ) async throws(Errno) -> (FileAttributes, lifetime: Double) { (attributes(node), lifetime: 60) }
    func readSymbolicLink(_ node: NodeID) async throws(Errno) -> [UInt8] { throw .invalidArgument }
    func extendedAttribute(_ name: String, of node: NodeID) async throws(Errno) -> [UInt8] { throw .noData }
    func extendedAttributeNames(of node: NodeID) async throws(Errno) -> [String] { [] }
    func setExtendedAttribute(
        _ name: String, of node: NodeID, to value: [UInt8], mustCreate: Bool, mustReplace: Bool, by caller: Caller
    ) async throws(Errno) {}
    func removeExtendedAttribute(_ name: String, of node: NodeID, by caller: Caller) async throws(Errno) {}
    func statistics() -> FileSystemStatistics {
        FileSystemStatistics(blockSize: 4096, blocks: 1 << 30, freeBlocks: 1 << 30, files: 1, freeFiles: 0)
    }

    func createNow(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) -> Result<CreateReply, Errno>? { .failure(.readOnlyFileSystem) }
    func create(
        _ name: FileName, in parent: NodeID, permissions: UInt32, flags: OpenFlags, by caller: Caller
    ) async throws(Errno) -> CreateReply { throw .readOnlyFileSystem }
    func openNow(_ node: NodeID, flags: OpenFlags, by caller: Caller) -> Result<OpenReply, Errno>? {
        .success(OpenReply(handle: HandleID(rawValue: 1), isDirect: isDirect))
    }
    func open(_ node: NodeID, flags: OpenFlags, by caller: Caller) async throws(Errno) -> OpenReply {
        OpenReply(handle: HandleID(rawValue: 1), isDirect: isDirect)
    }

    private func reply(_ offset: Int64, _ length: Int) -> ReadReply {
        let count = Int(max(min(Int64(min(length, block.bytes.count)), size - offset), 0))
        return ReadReply(segments: [
            ReadReply.Segment(bytes: UnsafeRawBufferPointer(rebasing: block.bytes[..<count]), owner: block)
        ])
    }
    func readNow(_ handle: HandleID, offset: Int64, length: Int) -> Result<ReadReply, Errno>? {
        isAsynchronous ? nil : .success(reply(offset, length))
    }
    func read(_ handle: HandleID, offset: Int64, length: Int) async throws(Errno) -> ReadReply { reply(offset, length) }
    func writeNow(_ handle: HandleID, offset: Int64, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>? {
        guard !isAsynchronous else { return nil }
        // As any file system must: the bytes are gone once this returns.
        block.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(block.bytes.count)))
        return .success(bytes.count)
    }
    func write(_ handle: HandleID, offset: Int64, _ bytes: [UInt8]) async throws(Errno) -> Int { bytes.count }
    func flushNow(_ handle: HandleID, by caller: Caller) -> Result<Void, Errno>? { .success(()) }
    func flush(_ handle: HandleID, by caller: Caller) async throws(Errno) {}
    func synchronize(_ handle: HandleID) async throws(Errno) {}
    func release(_ handle: HandleID) async {}
    func releaseNow(_ handle: HandleID) -> Bool { true }

    func openDirectory(_ node: NodeID) async throws(Errno) -> HandleID { HandleID(rawValue: 2) }
    func openDirectoryNow(_ node: NodeID) -> Result<HandleID, Errno>? { .success(HandleID(rawValue: 2)) }
    func readDirectoryNow(
        _ handle: HandleID, from cookie: UInt64, plus: Bool, emit: (DirectoryItem) -> Bool
    ) -> Result<Void, Errno>? {
        if cookie == 0 { _ = emit(DirectoryItem(name: "data", inode: 2, type: .regular, next: 1)) }
        return .success(())
    }
    func prepareDirectory(_ handle: HandleID, from cookie: UInt64) async throws(Errno) {}
    func synchronizeDirectory(_ handle: HandleID) async throws(Errno) {}
    func releaseDirectory(_ handle: HandleID) {}
    func drain() async -> Int { 0 }
}
