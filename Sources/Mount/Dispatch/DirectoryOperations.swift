import CFuse
import FileSystem
import Glibc
import Logging
import SystemPackage

/// OPENDIR, READDIR, READDIRPLUS, FSYNCDIR, RELEASEDIR.
extension Dispatcher {
    static func addDirectories(to table: inout fuse_lowlevel_ops) {
        table.opendir = { raw, node, _ in
            let request = FuseRequest(raw!, .opendir)
            let node = NodeID(rawValue: node)
            if let answer = request.fileSystem.openDirectoryNow(node) { return request.reply(openDirectory: answer) }
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.openDirectory(node)
                }
                request.reply(openDirectory: answer)
            }
        }
        table.readdir = { raw, _, size, cookie, info in
            FuseRequest(raw!, .readdir).replyDirectory(
                HandleID(rawValue: info!.pointee.fh), from: UInt64(bitPattern: Int64(cookie)), size: size, plus: false)
        }
        table.readdirplus = { raw, _, size, cookie, info in
            FuseRequest(raw!, .readdir).replyDirectory(
                HandleID(rawValue: info!.pointee.fh), from: UInt64(bitPattern: Int64(cookie)), size: size, plus: true)
        }
        table.fsyncdir = { raw, _, _, info in
            let request = FuseRequest(raw!, .fsyncdir)
            let handle = HandleID(rawValue: info!.pointee.fh)
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.synchronizeDirectory(handle)
                }
                request.reply(answer)
            }
        }
        table.releasedir = { raw, _, info in
            let request = FuseRequest(raw!, .releasedir)
            request.fileSystem.releaseDirectory(HandleID(rawValue: info!.pointee.fh))
            request.reply(.success(()))
        }
    }
}

extension FuseRequest {
    /// How often entries are fetched for one request before it fails: more than once only where what was fetched is dropped
    /// again (by an invalidation, or for want of memory) before it could be handed out.
    private static var maximumFetches: Int { 16 }

    /// Answers with a handle; gives it back where the kernel did not take it. The kernel shall not keep the entries
    /// (`keep_cache`, `cache_readdir` stay off): it would not notice what others change in the bucket.
    func reply(openDirectory answer: Result<HandleID, Errno>) {
        switch answer {
        case .success(let handle):
            var info = fuse_file_info()
            info.fh = handle.rawValue
            if !reply({ fuse_reply_open($0, &info) }) { fileSystem.releaseDirectory(handle) }
        case .failure(let error): reply(error: error)
        }
    }

    /// Answers with as many entries as fit into `size` bytes, from memory or after fetching them.
    func replyDirectory(_ handle: HandleID, from cookie: UInt64, size: Int, plus: Bool) {
        if replyDirectoryNow(handle, from: cookie, size: size, plus: plus) { return }
        continueAsynchronously { request in
            for _ in 0..<Self.maximumFetches {
                let fetched = await outcome { () async throws(Errno) in
                    try await request.fileSystem.prepareDirectory(handle, from: cookie)
                }
                if case .failure(let error) = fetched {
                    request.reply(error: error)
                    return
                }
                if request.replyDirectoryNow(handle, from: cookie, size: size, plus: plus) { return }
            }
            request.dispatcher.logger.error("A directory's entries are gone as soon as they are fetched")
            request.reply(error: .ioError)
        }
    }

    /// False, and nothing done, where entries must be fetched first.
    private func replyDirectoryNow(_ handle: HandleID, from cookie: UInt64, size: Int, plus: Bool) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: max(size, 1), alignment: 8) { buffer in
            var page = DirectoryPage(buffer: UnsafeMutableRawBufferPointer(rebasing: buffer[..<size]), isPlus: plus)
            let answer = fileSystem.readDirectoryNow(handle, from: cookie, plus: plus) { page.append($0, for: raw) }
            switch answer {
            case nil: return false
            case .failure(let error):
                // Entries handed out before the error are lost with it.
                page.forgetAll(in: fileSystem)
                reply(error: error)
            case .success where page.used == 0 && page.isFull:
                // An empty answer would mean the end of the directory.
                reply(error: .invalidArgument)
            case .success:
                let taken = reply {
                    fuse_reply_buf($0, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), page.used)
                }
                if !taken { page.forgetAll(in: fileSystem) }
            }
            return true
        }
    }
}

/// The entries of one READDIR or READDIRPLUS, laid out as the kernel reads them.
private struct DirectoryPage {
    let buffer: UnsafeMutableRawBufferPointer
    let isPlus: Bool
    /// Bytes filled.
    var used = 0
    /// An entry did not fit.
    var isFull = false
    /// Entries that count as looked up once the kernel has the page.
    var lookups: [NodeID] = []

    init(buffer: UnsafeMutableRawBufferPointer, isPlus: Bool) {
        self.buffer = buffer
        self.isPlus = isPlus
    }

    /// Adds an entry; false, and nothing added, where it does not fit.
    mutating func append(_ item: DirectoryItem, for request: fuse_req_t) -> Bool {
        let start = buffer.baseAddress.map { ($0 + used).assumingMemoryBound(to: CChar.self) }
        let room = buffer.count - used
        // Of a plain entry the kernel sees the number and the type bits: no type bits are DT_UNKNOWN.
        var parameters = fuse_entry_param()
        parameters.attr.st_ino = UInt(item.inode)
        parameters.attr.st_mode = item.type?.rawValue ?? 0
        // `.` and `..` are never looked up by it, so an entry of theirs would never be forgotten either.
        let isDots = item.name == "." || item.name == ".."
        var node: NodeID?
        if isPlus, let entry = item.entry, !isDots {
            parameters = entry.parameters
            node = entry.node
        }
        let size = item.name.withCString { name in
            isPlus
                ? fuse_add_direntry_plus(request, start, room, name, &parameters, off_t(bitPattern: item.next))
                : fuse_add_direntry(request, start, room, name, &parameters.attr, off_t(bitPattern: item.next))
        }
        guard size <= room else {
            isFull = true
            return false
        }
        used += size
        if let node { lookups.append(node) }
        return true
    }

    /// Takes back the lookups of entries that the kernel did not get.
    func forgetAll(in fileSystem: any MountableFileSystem) {
        for node in lookups { fileSystem.forget(node, lookups: 1) }
    }
}

extension off_t {
    /// The same bits: a cookie is a number to the kernel and nothing else.
    fileprivate init(bitPattern cookie: UInt64) { self = off_t(Int64(bitPattern: cookie)) }
}
