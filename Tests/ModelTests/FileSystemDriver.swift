import FileSystem
import ObjectStore
import SystemPackage

/// Drives a file system as the kernel would: walks paths by lookups, opens, reads, writes and closes, forgets what it looked
/// up. Every verb is tried from memory first, as the kernel side does it.
struct FileSystemDriver: Sendable {
    let fileSystem: any MountableFileSystem
    /// The program that asks.
    var caller = Caller(uid: 0, gid: 0, umask: 0)

    /// Looks a path up; the caller forgets the lookups that it is given.
    func walk(_ path: String) async throws(Errno) -> (node: NodeID, entry: Entry?, held: [NodeID]) {
        var node = NodeID.root
        var entry: Entry?
        var held: [NodeID] = []
        do throws(Errno) {
            for part in path.split(separator: "/") {
                if let entry, entry.attributes.type != .directory { throw .notDirectory }
                let found = try await lookup(String(part), in: node)
                held.append(found.node)
                node = found.node
                entry = found
            }
        } catch {
            forget(held)
            throw error
        }
        return (node, entry, held)
    }

    func forget(_ nodes: [NodeID]) {
        for node in nodes.reversed() { fileSystem.forget(node, lookups: 1) }
    }

    private func lookup(_ name: String, in parent: NodeID) async throws(Errno) -> Entry {
        let name = FileName(name)!
        if let answer = fileSystem.lookupNow(name, in: parent, by: caller) { return try answer.get() }
        return try await fileSystem.lookup(name, in: parent, by: caller)
    }

    /// Runs `body` with a path's node.
    func with<T>(_ path: String, _ body: (NodeID, Entry?) async throws(Errno) -> T) async throws(Errno) -> T {
        let (node, entry, held) = try await walk(path)
        defer { forget(held) }
        return try await body(node, entry)
    }

    /// Runs `body` with a path's directory and last name.
    func withParent<T>(_ path: String, _ body: (NodeID, FileName) async throws(Errno) -> T) async throws(Errno) -> T {
        let name = FileName(String(path.split(separator: "/").last!))!
        let (node, entry, held) = try await walk(ReferenceModel.parent(of: path))
        defer { forget(held) }
        if let entry, entry.attributes.type != .directory { throw .notDirectory }
        return try await body(node, name)
    }

    /// open(2): what the kernel's path walk and atomic open come to.
    func open(_ path: String, _ flags: OpenFlags, permissions: UInt32 = 0o644) async throws(Errno) -> HandleID {
        try await withParent(path) { parent, name throws(Errno) in
            if let handle = try await openExisting(name, in: parent, flags) { return handle }
            guard flags.contains(.create) else { throw .noSuchFileOrDirectory }
            let answer = fileSystem.createNow(name, in: parent, permissions: permissions, flags: flags, by: caller)
            let reply =
                if let answer {
                    try answer.get()
                } else {
                    try await fileSystem.create(name, in: parent, permissions: permissions, flags: flags, by: caller)
                }
            fileSystem.forget(reply.entry.node, lookups: 1)
            return reply.open.handle
        }
    }

    private func openExisting(_ name: FileName, in parent: NodeID, _ flags: OpenFlags) async throws(Errno) -> HandleID?
    {
        let entry: Entry
        do throws(Errno) {
            entry = try await lookup(name.string, in: parent)
        } catch {
            if error == .noSuchFileOrDirectory { return nil }
            throw error
        }
        defer { fileSystem.forget(entry.node, lookups: 1) }
        if flags.contains(.create), flags.contains(.exclusive) { throw .fileExists }
        switch entry.attributes.type {
        case .regular: break
        case .directory: throw .isDirectory
        default: throw .tooManySymbolicLinkLevels
        }
        if let answer = fileSystem.openNow(entry.node, flags: flags, by: caller) { return try answer.get().handle }
        return try await fileSystem.open(entry.node, flags: flags, by: caller).handle
    }

    func write(_ handle: HandleID, at offset: Int64, _ bytes: [UInt8]) async throws(Errno) {
        let now = bytes.withUnsafeBytes { fileSystem.writeNow(handle, offset: offset, $0) }
        let count = if let now { try now.get() } else { try await fileSystem.write(handle, offset: offset, bytes) }
        guard count == bytes.count else { throw .ioError }
    }

    func read(_ handle: HandleID, at offset: Int64, count: Int) async throws(Errno) -> [UInt8] {
        let reply =
            if let now = fileSystem.readNow(handle, offset: offset, length: count) {
                try now.get()
            } else {
                try await fileSystem.read(handle, offset: offset, length: count)
            }
        return reply.segments.flatMap { Array($0.bytes) }
    }

    /// Reads to the end, in pieces.
    func readAll(_ handle: HandleID, piece: Int = 100) async throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try await read(handle, at: Int64(bytes.count), count: piece)
            if more.isEmpty { return bytes }
            bytes += more
        }
    }

    /// copy_file_range(2) until all is copied or the source ends, by reading and writing where the file system leaves that to the
    /// kernel.
    func copy(_ source: HandleID, at offset: Int, to target: HandleID, at targetOffset: Int, count: Int)
        async throws(Errno)
    {
        var done = 0
        while done < count {
            do throws(Errno) {
                let more = try await fileSystem.copyRange(
                    of: source, from: Int64(offset + done), to: target, at: Int64(targetOffset + done),
                    length: Int64(count - done))
                if more == 0 { return }
                done += Int(more)
            } catch {
                guard error == .notSupportedOnSocket else { throw error }
                let bytes = try await read(source, at: Int64(offset + done), count: count - done)
                if bytes.isEmpty { return }
                try await write(target, at: Int64(targetOffset + done), bytes)
                done += bytes.count
            }
        }
    }

    /// close(2): flush, then release whatever the flush said.
    func close(_ handle: HandleID) async throws(Errno) {
        var failure: Errno?
        do throws(Errno) {
            if let now = fileSystem.flushNow(handle, by: caller) {
                try now.get()
            } else {
                try await fileSystem.flush(handle, by: caller)
            }
        } catch {
            failure = error
        }
        if !fileSystem.releaseNow(handle) { await fileSystem.release(handle) }
        if let failure { throw failure }
    }

    func setAttributes(_ path: String, _ body: (inout AttributeChanges) -> Void) async throws(Errno) {
        var changes = AttributeChanges()
        body(&changes)
        let wanted = changes
        try await with(path) { node, _ throws(Errno) in
            _ = try await fileSystem.setAttributes(of: node, handle: nil, to: wanted, by: caller)
        }
    }

    /// All names of a directory but `.` and `..`, in the order of their bytes.
    func list(_ path: String) async throws(Errno) -> [String] {
        try await with(path) { node, entry throws(Errno) in
            if let entry, entry.attributes.type != .directory { throw .notDirectory }
            let handle = try fileSystem.openDirectoryNow(node)?.get()
            let opened = if let handle { handle } else { try await fileSystem.openDirectory(node) }
            defer { fileSystem.releaseDirectory(opened) }
            var names: [String] = []
            var cookie: UInt64 = 0
            while true {
                var emitted = 0
                var held: [NodeID] = []
                let plus = cookie % 2 == 0
                let answer = fileSystem.readDirectoryNow(opened, from: cookie, plus: plus) { item in
                    // A small buffer: seven entries a call.
                    guard emitted < 7 else { return false }
                    emitted += 1
                    cookie = item.next
                    if item.name != ".", item.name != ".." { names.append(item.name) }
                    if let entry = item.entry { held.append(entry.node) }
                    return true
                }
                forget(held)
                guard let answer else {
                    try await fileSystem.prepareDirectory(opened, from: cookie)
                    continue
                }
                try answer.get()
                if emitted == 0 { return names.sorted() }
            }
        }
    }
}
