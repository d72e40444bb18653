import FileSystem
import Glibc
import Measuring
import SystemPackage

/// Calls the file system's verbs as the kernel side does: from memory first, and asynchronously where that gives nothing.
///
/// Each figure comes of one pass; its allocations come of a further one over other files, or the same again.
struct FileSystemAlone {
    let fileSystem: BucketFileSystem
    let measure: Measuring
    let plan: InMemory.Plan
    private let caller = Caller(uid: 0, gid: 0, pid: 1)

    init(fileSystem: BucketFileSystem, measure: Measuring, plan: InMemory.Plan) {
        self.fileSystem = fileSystem
        self.measure = measure
        self.plan = plan
    }

    func run() async throws {
        try await names()
        try await making()
        try await reading()
        try await writing()
    }

    // MARK: Names

    private func names() async throws {
        let many = try await lookup("many", in: .root)
        var entries = 0
        try await measure(
            "readdirplus, first", operations: plan.files, { entries = try await self.list(many.node) })
        guard entries == plan.files + 2 else { throw Wrong("\(entries) entries of \(plan.files + 2)") }
        try await measure("readdirplus, again", operations: plan.files) {
            _ = try await self.list(many.node)
        } counting: {
            try await self.list(many.node)
        }
        let names = try (0..<plan.files).map { number in
            try name(String(InMemory.name(number, in: "").dropFirst()))
        }
        // A file that the kernel has forgotten is made anew of what the listing said, and its headers are asked for.
        try await measure("lookup of a forgotten file", operations: names.count) {
            try await self.lookups(names, in: many.node, passes: 1)
        } counting: {
            try await self.lookups(names, in: many.node, passes: 1)
            return names.count
        }
        // As long as the kernel holds a file, a lookup of it stays in memory.
        var held: [NodeID] = []
        for name in names { held.append(try await lookup(name, in: many.node).node) }
        try await measure("lookup of a known file", operations: 20 * names.count) {
            try await self.lookups(names, in: many.node, passes: 20)
        } counting: {
            try await self.lookups(names, in: many.node, passes: 1)
            return names.count
        }
        for node in held { fileSystem.forget(node, lookups: 1) }
        let node = try await lookup(names[0].string, in: many.node).node
        try await measure("getattr", operations: 1_000_000) {
            try await self.getattr(node, 1_000_000)
        } counting: {
            try await self.getattr(node, 10_000)
            return 10_000
        }
        fileSystem.forget(node, lookups: 1)
    }

    private func lookups(_ names: [FileName], in parent: NodeID, passes: Int) async throws {
        for _ in 0..<passes {
            for name in names { fileSystem.forget(try await lookup(name, in: parent).node, lookups: 1) }
        }
    }

    private func getattr(_ node: NodeID, _ count: Int) async throws {
        for _ in 0..<count {
            if let now = fileSystem.attributesNow(of: node, handle: nil) {
                _ = try now.get()
            } else {
                _ = try await fileSystem.attributes(of: node, handle: nil)
            }
        }
    }

    /// All entries as `ls -l` gets them; those that the kernel would hold now are forgotten.
    private func list(_ directory: NodeID) async throws -> Int {
        let handle =
            if let now = fileSystem.openDirectoryNow(directory) {
                try now.get()
            } else {
                try await fileSystem.openDirectory(directory)
            }
        defer { fileSystem.releaseDirectory(handle) }
        var cookie: UInt64 = 0, count = 0
        while true {
            var given: [NodeID] = [], seen = 0
            let answer = fileSystem.readDirectoryNow(handle, from: cookie, plus: true) { item in
                // As much as fits in the kernel's buffer of 4 KiB for names of this length.
                guard seen < 24 else { return false }
                if let entry = item.entry { given.append(entry.node) }
                cookie = item.next
                seen += 1
                return true
            }
            for node in given { fileSystem.forget(node, lookups: 1) }
            guard let answer else {
                try await fileSystem.prepareDirectory(handle, from: cookie)
                continue
            }
            try answer.get()
            if seen == 0 { return count }
            count += seen
        }
    }

    // MARK: New files

    private func making() async throws {
        let directory = try await fileSystem.makeDirectory(
            try name("new"), in: .root, permissions: 0o755, by: caller)
        try await measure("create + write 4 KiB + close", operations: plan.files) {
            for number in 0..<self.plan.files { try await self.make("a\(number)", in: directory.node) }
        } counting: {
            for number in 0..<1000 { try await self.make("b\(number)", in: directory.node) }
            return 1000
        }
    }

    private func make(_ text: String, in directory: NodeID) async throws {
        let reply = try await create(text, in: directory)
        _ = try await write(reply.open.handle, Self.page, at: 0)
        try await close(reply.open.handle)
        fileSystem.forget(reply.entry.node, lookups: 1)
    }

    // MARK: Content

    private func reading() async throws {
        let node = try await lookup("data", in: .root).node
        let handle = try await open(node)
        let count = plan.size >> 20
        try await measure("sequential read 1 MiB", operations: count, bytes: plan.size) {
            for index in 0..<count { try await self.read(handle, at: index << 20, 1 << 20) }
        } counting: {
            let handle = try await self.open(node)
            for index in 0..<min(count, 256) { try await self.read(handle, at: index << 20, 1 << 20) }
            try await self.close(handle)
            return min(count, 256)
        }
        try await close(handle)
        let offsets = InMemory.offsets(20_000, in: plan.size)
        let random = try await open(node)
        try await measure("random read 4 KiB", operations: offsets.count) {
            for offset in offsets { try await self.read(random, at: offset, 4096) }
        } counting: {
            for offset in offsets.prefix(1000) { try await self.read(random, at: offset ^ 4096, 4096) }
            return 1000
        }
        try await close(random)
        fileSystem.forget(node, lookups: 1)
    }

    private func writing() async throws {
        let block = [UInt8](repeating: 7, count: 1 << 20)
        try await measure("sequential write 1 MiB, close with it", operations: plan.size >> 20, bytes: plan.size) {
            try await self.writeFile("large", block, count: self.plan.size >> 20)
        } counting: {
            try await self.writeFile("large2", block, count: 64)
            return 64
        }
        let small = min(plan.size, 256 << 20) / 4096
        try await measure("sequential write 4 KiB, close with it", operations: small, bytes: small * 4096) {
            try await self.writeFile("small", Self.page, count: small)
        } counting: {
            try await self.writeFile("small2", Self.page, count: 4096)
            return 4096
        }
    }

    private static let page = [UInt8](repeating: 3, count: 4096)

    private func writeFile(_ text: String, _ block: [UInt8], count: Int) async throws {
        let reply = try await create(text, in: .root)
        for index in 0..<count { _ = try await write(reply.open.handle, block, at: index * block.count) }
        try await close(reply.open.handle)
        fileSystem.forget(reply.entry.node, lookups: 1)
    }

    // MARK: Verbs, from memory first

    struct Wrong: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    private func name(_ text: String) throws -> FileName {
        guard let name = FileName(text) else { throw Wrong("no name: \(text)") }
        return name
    }

    private func lookup(_ text: String, in parent: NodeID) async throws -> Entry {
        try await lookup(try name(text), in: parent)
    }

    private func lookup(_ name: FileName, in parent: NodeID) async throws -> Entry {
        if let now = fileSystem.lookupNow(name, in: parent, by: caller) { return try now.get() }
        return try await fileSystem.lookup(name, in: parent, by: caller)
    }

    private func create(_ text: String, in parent: NodeID) async throws -> CreateReply {
        let name = try name(text), flags: OpenFlags = [.writeOnly, .create, .truncate]
        // The kernel looks a name up before it creates it.
        do { _ = try await lookup(name, in: parent) } catch Errno.noSuchFileOrDirectory {}
        if let now = fileSystem.createNow(name, in: parent, permissions: 0o644, flags: flags, by: caller) {
            return try now.get()
        }
        return try await fileSystem.create(name, in: parent, permissions: 0o644, flags: flags, by: caller)
    }

    private func open(_ node: NodeID) async throws -> HandleID {
        if let now = fileSystem.openNow(node, flags: [], by: caller) { return try now.get().handle }
        return try await fileSystem.open(node, flags: [], by: caller).handle
    }

    private func read(_ handle: HandleID, at offset: Int, _ length: Int) async throws {
        let reply =
            if let now = fileSystem.readNow(handle, offset: Int64(offset), length: length) {
                try now.get()
            } else {
                try await fileSystem.read(handle, offset: Int64(offset), length: length)
            }
        guard reply.count == length else { throw Wrong("\(reply.count) bytes read of \(length)") }
    }

    private func write(_ handle: HandleID, _ bytes: [UInt8], at offset: Int) async throws -> Int {
        if let now = bytes.withUnsafeBytes({ fileSystem.writeNow(handle, offset: Int64(offset), $0) }) {
            return try now.get()
        }
        return try await fileSystem.write(handle, offset: Int64(offset), bytes)
    }

    private func close(_ handle: HandleID) async throws {
        if let now = fileSystem.flushNow(handle, by: caller) {
            try now.get()
        } else {
            try await fileSystem.flush(handle, by: caller)
        }
        if !fileSystem.releaseNow(handle) { await fileSystem.release(handle) }
    }
}
