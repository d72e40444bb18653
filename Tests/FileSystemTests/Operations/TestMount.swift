import Logging
import ObjectStore
import ObjectStoreTesting
import Synchronization
import SystemPackage

@testable import FileSystem

/// A clock that stands still until a test moves it; the store of the test reads the same.
final class MountClock: StoreClock {
    /// Nanoseconds since the test began.
    private let elapsed = Mutex<Int64>(0)
    private static let start: Int64 = 1_700_000_000

    var now: Timestamp {
        let elapsed = elapsed.withLock { $0 }
        return Timestamp(seconds: Self.start + elapsed / 1_000_000_000, nanoseconds: Int32(elapsed % 1_000_000_000))
    }

    func advance(seconds: Int64) { elapsed.withLock { $0 += seconds * 1_000_000_000 } }

    var clock: FileSystemClock {
        FileSystemClock(
            wall: { self.now }, monotonic: { Moment(nanoseconds: self.elapsed.withLock { $0 } + 1_000_000_000_000) })
    }
}

/// A bucket in memory, and what is set of the mounts on it.
struct TestBucket {
    let clock = MountClock()
    let store: InMemoryStore

    init(_ options: InMemoryStore.Options = .s3) {
        store = InMemoryStore(options: options.with(minimumPartSize: 64), clock: clock)
    }

    /// Mounts the bucket, through another store if one is given.
    func mount(
        through other: (any ObjectStore)? = nil, prefix: String = "",
        _ change: (inout FileSystemOptions) -> Void = { _ in }
    ) -> TestMount {
        var options = FileSystemOptions()
        options.clock = clock.clock
        options.memoryLimit = 8 << 20
        options.spillDirectory = "/tmp"
        change(&options)
        let logger = Logger(label: "operations", factory: { _ in SwiftLogNoOpLogHandler() })
        return TestMount(
            fileSystem: BucketFileSystem(store: other ?? store, prefix: prefix, options: options, logger: logger))
    }

    /// What the requests since the last reset were, by S3's names, with their counts.
    func requests() -> [String: Int] {
        Dictionary(uniqueKeysWithValues: store.log.counts.map { ($0.key.rawValue, $0.value) })
    }

    func text(_ key: ObjectKey) -> String? { store.content(of: key).map { String(decoding: $0, as: UTF8.self) } }
}

/// A mount as programs see it: system calls on paths, each made of the verbs that the kernel would send.
struct TestMount: Sendable {
    let fileSystem: BucketFileSystem
    let caller = Caller(uid: 10, gid: 20, pid: 1)

    // MARK: Names

    /// `LOOKUP`, from memory first.
    func lookup(_ name: String, in parent: NodeID) async throws(Errno) -> Entry {
        guard let name = FileName(name) else { throw .invalidArgument }
        if let now = fileSystem.lookupNow(name, in: parent, by: caller) { return try now.get() }
        return try await fileSystem.lookup(name, in: parent, by: caller)
    }

    /// Walks to `path` and runs `body` there; its lookups are forgotten behind it.
    func at<T>(_ path: String, _ body: (NodeID) async throws(Errno) -> T) async throws(Errno) -> T {
        var held: [NodeID] = []
        defer { for node in held.reversed() { fileSystem.forget(node, lookups: 1) } }
        var node = NodeID.root
        for part in path.split(separator: "/") {
            node = try await lookup(String(part), in: node).node
            held.append(node)
        }
        return try await body(node)
    }

    /// Runs `body` with the directory and the name that `path` ends in.
    func entry<T>(_ path: String, _ body: (NodeID, FileName) async throws(Errno) -> T) async throws(Errno) -> T {
        let parts = path.split(separator: "/").map(String.init)
        guard let name = FileName(parts.last ?? "") else { throw .invalidArgument }
        return try await at(parts.dropLast().joined(separator: "/")) { node throws(Errno) in try await body(node, name)
        }
    }

    /// stat(2)
    func stat(_ path: String) async throws(Errno) -> FileAttributes {
        try await at(path) { node throws(Errno) in
            if let now = fileSystem.attributesNow(of: node, handle: nil) { return try now.get().0 }
            return try await fileSystem.attributes(of: node, handle: nil).0
        }
    }

    // MARK: Files

    /// open(2)
    func open(_ path: String, _ flags: OpenFlags = [], permissions: UInt32 = 0o644) async throws(Errno) -> HandleID {
        try await entry(path) { parent, name throws(Errno) in
            var found: Entry?
            do throws(Errno) { found = try await lookup(name.string, in: parent) } catch {
                guard error == .noSuchFileOrDirectory, flags.contains(.create) else { throw error }
            }
            if let found {
                defer { fileSystem.forget(found.node, lookups: 1) }
                if flags.contains([.create, .exclusive]) { throw .fileExists }
                if let now = fileSystem.openNow(found.node, flags: flags, by: caller) { return try now.get().handle }
                return try await fileSystem.open(found.node, flags: flags, by: caller).handle
            }
            let reply: CreateReply
            if let now = fileSystem.createNow(name, in: parent, permissions: permissions, flags: flags, by: caller) {
                reply = try now.get()
            } else {
                reply = try await fileSystem.create(
                    name, in: parent, permissions: permissions, flags: flags, by: caller)
            }
            fileSystem.forget(reply.entry.node, lookups: 1)
            return reply.open.handle
        }
    }

    /// pwrite(2)
    func write(_ handle: HandleID, _ text: String, at offset: Int64 = 0) async throws(Errno) {
        let bytes = Array(text.utf8)
        if let now = bytes.withUnsafeBytes({ fileSystem.writeNow(handle, offset: offset, $0) }) {
            _ = try now.get()
        } else {
            _ = try await fileSystem.write(handle, offset: offset, bytes)
        }
    }

    /// pread(2)
    func read(_ handle: HandleID, at offset: Int64 = 0, _ length: Int = 1 << 20) async throws(Errno) -> String {
        let reply =
            if let now = fileSystem.readNow(handle, offset: offset, length: length) {
                try now.get()
            } else {
                try await fileSystem.read(handle, offset: offset, length: length)
            }
        return String(decoding: reply.segments.flatMap { Array($0.bytes) }, as: UTF8.self)
    }

    /// What close(2) waits for.
    func flush(_ handle: HandleID) async throws(Errno) {
        if let now = fileSystem.flushNow(handle, by: caller) { return try now.get() }
        try await fileSystem.flush(handle, by: caller)
    }

    /// What the kernel sends behind a close.
    func release(_ handle: HandleID) async {
        if !fileSystem.releaseNow(handle) { await fileSystem.release(handle) }
    }

    /// close(2)
    func close(_ handle: HandleID) async throws(Errno) {
        do throws(Errno) { try await flush(handle) } catch {
            await release(handle)
            throw error
        }
        await release(handle)
    }

    /// `echo text > path`
    func put(_ path: String, _ text: String) async throws(Errno) {
        let handle = try await open(path, [.writeOnly, .create, .truncate])
        try await write(handle, text)
        try await close(handle)
    }

    /// `cat path`
    func text(_ path: String) async throws(Errno) -> String {
        let handle = try await open(path)
        do throws(Errno) {
            let text = try await read(handle)
            try await close(handle)
            return text
        } catch {
            await release(handle)
            throw error
        }
    }

    // MARK: Changes

    func chmod(_ path: String, _ permissions: UInt32) async throws(Errno) {
        var changes = AttributeChanges()
        changes.permissions = permissions
        let wanted = changes
        try await at(path) { node throws(Errno) in
            _ = try await fileSystem.setAttributes(of: node, handle: nil, to: wanted, by: caller)
        }
    }

    func unlink(_ path: String) async throws(Errno) {
        try await entry(path) { parent, name throws(Errno) in
            try await fileSystem.unlink(name, in: parent, by: caller)
        }
    }

    func mkdir(_ path: String, _ permissions: UInt32 = 0o755) async throws(Errno) {
        try await entry(path) { parent, name throws(Errno) in
            let entry = try await fileSystem.makeDirectory(name, in: parent, permissions: permissions, by: caller)
            fileSystem.forget(entry.node, lookups: 1)
        }
    }

    func rmdir(_ path: String) async throws(Errno) {
        try await entry(path) { parent, name throws(Errno) in
            try await fileSystem.removeDirectory(name, in: parent, by: caller)
        }
    }

    func rename(_ path: String, to newPath: String, _ flags: RenameFlags = []) async throws(Errno) {
        try await entry(path) { parent, name throws(Errno) in
            try await entry(newPath) { newParent, newName throws(Errno) in
                try await fileSystem.rename(name, in: parent, to: newName, in: newParent, flags: flags, by: caller)
            }
        }
    }

    /// Names in the order in which the directory gives them.
    func list(_ path: String) async throws(Errno) -> [String] {
        try await at(path) { node throws(Errno) in
            let handle = try await fileSystem.openDirectory(node)
            defer { fileSystem.releaseDirectory(handle) }
            var names: [String] = []
            var cookie: UInt64 = 0
            while true {
                var count = 0
                let answer = fileSystem.readDirectoryNow(handle, from: cookie, plus: false) { item in
                    guard count < 100 else { return false }
                    count += 1
                    cookie = item.next
                    if item.name != ".", item.name != ".." { names.append(item.name) }
                    return true
                }
                if let answer {
                    try answer.get()
                    if count == 0 { return names }
                } else {
                    try await fileSystem.prepareDirectory(handle, from: cookie)
                }
            }
        }
    }
}
