internal import ObjectStore

#if canImport(Glibc)
    import Glibc
#endif

/// Plain files that hold the bytes of contents too large for the database, each named by its number.
///
/// All calls wait for the disk: they belong on a worker thread. A file is durable after ``synchronize(_:)``; only then may a
/// row name it. So a file that no row names is what a crash left, and is removed at the next start.
struct BlobFolder: Sendable {
    let path: String

    init(_ path: String) throws(LocalStateError) {
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system(errno, path, "mkdir") }
    }

    /// One that is only read: nothing is made where there is none.
    init(existing path: String) { self.path = path }

    func file(_ id: Int64) -> String { path + "/" + String(id) }

    /// The numbers of all files there.
    func all() throws(LocalStateError) -> [Int64] {
        guard access(path, R_OK | X_OK) == 0 else { throw .system(errno, path, "opendir") }
        return DirectoryNames.all(in: path).compactMap { Int64($0) }
    }

    /// Bytes of a file; nil where there is none.
    func size(_ id: Int64) -> Int64? {
        var status = stat()
        return stat(file(id), &status) == 0 ? Int64(status.st_size) : nil
    }

    /// Writes a body into a new file, block by block: one copy. Not durable yet. Removes the file again where it fails.
    func write(_ id: Int64, _ body: any RequestBody) throws(LocalStateError) -> BlockChecksums {
        let file = file(id)
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(errno, file, "open") }
        defer { close(descriptor) }
        do throws(LocalStateError) {
            return try copy(body, to: descriptor, file)
        } catch {
            unlink(file)
            throw error
        }
    }

    private func copy(_ body: any RequestBody, to descriptor: Int32, _ file: String) throws(LocalStateError)
        -> BlockChecksums
    {
        var sums = BlockChecksums()
        let length = body.length
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(min(Int64(BlockChecksums.blockSize), max(1, length))), alignment: 64)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while offset < length {
            let block = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(Int64(buffer.count), length - offset))])
            try Self.fill(block, from: body, at: offset, file)
            sums.append(UnsafeRawBufferPointer(block))
            var done = 0
            while done < block.count {
                let count = Glibc.write(descriptor, block.baseAddress! + done, block.count - done)
                if count > 0 {
                    done += count
                } else if count == 0 || errno != EINTR {
                    throw .system(errno, file, "write")
                }
            }
            offset += Int64(block.count)
        }
        return sums
    }

    /// Reads all of a block from a body.
    static func fill(
        _ block: UnsafeMutableRawBufferPointer, from body: any RequestBody, at offset: Int64, _ file: String
    ) throws(LocalStateError) {
        var done = 0
        while done < block.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: block[done...])
            let count: Int
            do {
                count = try body.read(at: offset + Int64(done), into: rest)
            } catch {
                throw LocalStateError(.io(errno: 0), path: file, detail: "the content to keep cannot be read: \(error)")
            }
            guard count > 0 else {
                throw LocalStateError(.io(errno: 0), path: file, detail: "the content to keep ended early")
            }
            done += count
        }
    }

    /// Makes files and their names durable: one fdatasync each, one fsync of the folder.
    func synchronize(_ ids: [Int64]) throws(LocalStateError) {
        guard !ids.isEmpty else { return }
        for id in ids {
            let descriptor = open(file(id), O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw .system(errno, file(id), "open") }
            defer { close(descriptor) }
            guard fdatasync(descriptor) == 0 else { throw .system(errno, file(id), "fdatasync") }
        }
        try StateDirectory.synchronize(path)
    }

    /// Reads block number `index` of a file and verifies it.
    /// - Throws: `damaged` where it is not what was written.
    func read(
        _ id: Int64, block index: Int, length: Int64, _ sums: BlockChecksums, into buffer: UnsafeMutableRawBufferPointer
    )
        throws(LocalStateError) -> Int
    {
        let start = Int64(index) * Int64(BlockChecksums.blockSize)
        let count = Int(min(Int64(BlockChecksums.blockSize), length - start))
        let file = file(id)
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw LocalStateError(.damaged, path: file, detail: "the file is gone") }
            throw .system(errno, file, "open")
        }
        defer { close(descriptor) }
        var done = 0
        while done < count {
            let read = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(start) + off_t(done))
            if read > 0 {
                done += read
            } else if read == 0 {
                throw LocalStateError(.damaged, path: file, detail: "the file is cut short")
            } else if errno != EINTR {
                throw .system(errno, file, "read")
            }
        }
        guard sums.matches(UnsafeRawBufferPointer(rebasing: buffer[..<count]), index: index) else {
            throw LocalStateError(.damaged, path: file, detail: "block \(index) fails its checksum")
        }
        return count
    }

    func remove(_ id: Int64) { unlink(file(id)) }

    /// Bytes that the disk has free for this process.
    var freeSpace: Int64 {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { return 0 }
        return Int64(clamping: UInt64(information.f_bavail)) * Int64(information.f_frsize)
    }
}
