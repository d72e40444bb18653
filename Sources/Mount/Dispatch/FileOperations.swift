import CFuse
import FileSystem
import Glibc
import SystemPackage

/// CREATE, OPEN, READ, WRITE, COPY_FILE_RANGE, FALLOCATE, LSEEK, FLUSH, FSYNC, RELEASE.
extension Dispatcher {
    static func addFiles(to table: inout fuse_lowlevel_ops) {
        table.create = { raw, parent, name, mode, info in
            let request = FuseRequest(raw!, .create)
            let (parent, caller) = (NodeID(rawValue: parent), request.caller)
            let (flags, permissions) = (OpenFlags(rawValue: info!.pointee.flags), mode & 0o7777)
            request.withName(name) { name in
                if let answer = request.fileSystem.createNow(
                    name, in: parent, permissions: permissions, flags: flags, by: caller)
                {
                    return request.reply(create: answer, flags: flags)
                }
                request.continueAsynchronously { request in
                    let answer = await outcome { () async throws(Errno) in
                        try await request.fileSystem.create(
                            name, in: parent, permissions: permissions, flags: flags, by: caller)
                    }
                    request.reply(create: answer, flags: flags)
                }
            }
        }
        table.open = { raw, node, info in
            let request = FuseRequest(raw!, .open)
            let (node, caller) = (NodeID(rawValue: node), request.caller)
            let flags = OpenFlags(rawValue: info!.pointee.flags)
            if let answer = request.fileSystem.openNow(node, flags: flags, by: caller) {
                return request.reply(open: answer, flags: flags)
            }
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.open(node, flags: flags, by: caller)
                }
                request.reply(open: answer, flags: flags)
            }
        }
        table.read = { raw, _, length, offset, info in
            let request = FuseRequest(raw!, .read)
            let (handle, offset) = (HandleID(rawValue: info!.pointee.fh), Int64(offset))
            if let answer = request.fileSystem.readNow(handle, offset: offset, length: length) {
                return request.reply(read: answer, length: length)
            }
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.read(handle, offset: offset, length: length)
                }
                request.reply(read: answer, length: length)
            }
        }
        // `write`, not `write_buf`: the latter is for data that stays in a pipe (splice). What the file system takes is memory,
        // so a pipe would add a copy or two system calls and take none away.
        table.write = { raw, _, bytes, count, offset, info in
            let request = FuseRequest(raw!, .write)
            let (handle, offset) = (HandleID(rawValue: info!.pointee.fh), Int64(offset))
            let bytes = UnsafeRawBufferPointer(start: bytes, count: count)
            if let answer = request.fileSystem.writeNow(handle, offset: offset, bytes) {
                return request.reply(written: answer, of: count)
            }
            // The receive buffer belongs to the thread, which takes the next request now.
            let copy = Array(bytes)
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.write(handle, offset: offset, copy)
                }
                request.reply(written: answer, of: copy.count)
            }
        }
        table.fallocate = { raw, _, mode, offset, length, info in
            let request = FuseRequest(raw!, .fallocate)
            let (handle, mode) = (HandleID(rawValue: info!.pointee.fh), AllocationMode(rawValue: mode))
            let (offset, length) = (Int64(offset), Int64(length))
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.allocate(handle, mode: mode, offset: offset, length: length)
                }
                request.reply(answer)
            }
        }
        table.copy_file_range = { raw, _, sourceOffset, source, _, offset, target, length, _ in
            let request = FuseRequest(raw!, .copyFileRange)
            let (source, target) = (HandleID(rawValue: source!.pointee.fh), HandleID(rawValue: target!.pointee.fh))
            let (sourceOffset, offset) = (Int64(sourceOffset), Int64(offset))
            // The answer has 32 bits; the kernel asks for less than 2 GiB at once.
            let length = min(Int64(clamping: length), Int64(Int32.max))
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    Int(
                        try await request.fileSystem.copyRange(
                            of: source, from: sourceOffset, to: target, at: offset, length: length))
                }
                request.reply(written: answer, of: Int(length))
            }
        }
        // Only for data and holes: the kernel knows the rest.
        table.lseek = { raw, _, offset, whence, info in
            let request = FuseRequest(raw!, .lseek)
            guard let target = SeekTarget(rawValue: whence) else {
                request.reply(error: .invalidArgument)
                return
            }
            let handle = HandleID(rawValue: info!.pointee.fh)
            switch request.fileSystem.seekNow(handle, from: Int64(offset), to: target) {
            case .success(let found): request.reply { fuse_reply_lseek($0, off_t(found)) }
            case .failure(let error): request.reply(error: error)
            }
        }
        table.flush = { raw, _, info in
            let request = FuseRequest(raw!, .flush)
            let (handle, caller) = (HandleID(rawValue: info!.pointee.fh), request.caller)
            if let answer = request.fileSystem.flushNow(handle, by: caller) { return request.reply(answer) }
            // What this would store the release behind it stores, which nobody waits for.
            if EndingProcess.isKilled(pid: caller.pid) { return request.reply(.success(())) }
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.flush(handle, by: caller)
                }
                request.reply(answer)
            }
        }
        // With or without metadata (fdatasync) is one to the store: both are in one object.
        table.fsync = { raw, _, _, info in
            let request = FuseRequest(raw!, .fsync)
            let handle = HandleID(rawValue: info!.pointee.fh)
            request.continueAsynchronously { request in
                let answer = await outcome { () async throws(Errno) in
                    try await request.fileSystem.synchronize(handle)
                }
                request.reply(answer)
            }
        }
        table.release = { raw, _, info in
            let request = FuseRequest(raw!, .release)
            let handle = HandleID(rawValue: info!.pointee.fh)
            if request.fileSystem.releaseNow(handle) { return request.reply(.success(())) }
            request.continueAsynchronously { request in
                await request.fileSystem.release(handle)
                request.reply(.success(()))
            }
        }
    }
}

extension Dispatcher {
    /// Gives back a handle that the kernel did not take.
    func takeBack(_ handle: HandleID) {
        if fileSystem.releaseNow(handle) { return }
        let fileSystem = fileSystem
        Task.detached { await fileSystem.release(handle) }
    }
}

extension FuseRequest {
    /// Answers with a handle; gives it back where the kernel did not take it.
    func reply(open answer: Result<OpenReply, Errno>, flags: OpenFlags) {
        switch answer {
        case .success(let open):
            var info = open.fileInfo(flags: flags)
            if !reply({ fuse_reply_open($0, &info) }) { dispatcher.takeBack(open.handle) }
        case .failure(let error): reply(error: error)
        }
    }

    /// Answers with a new file and its handle; takes both back where the kernel did not take them.
    func reply(create answer: Result<CreateReply, Errno>, flags: OpenFlags) {
        switch answer {
        case .success(let created):
            var parameters = created.entry.parameters
            var info = created.open.fileInfo(flags: flags)
            if !reply({ fuse_reply_create($0, &parameters, &info) }) {
                dispatcher.takeBack(created.open.handle)
                fileSystem.forget(created.entry.node, lookups: 1)
            }
        case .failure(let error): reply(error: error)
        }
    }

    /// Answers with a number of bytes taken.
    func reply(written answer: Result<Int, Errno>, of count: Int) {
        switch answer {
        case .success(let written):
            note(written: min(written, count))
            reply { fuse_reply_write($0, min(written, count)) }
        case .failure(let error): reply(error: error)
        }
    }

    /// Pieces that one writev(2) takes (`IOV_MAX`), less the one that libfuse puts in front.
    private static var maximumPieces: Int { 1023 }

    /// Answers with bytes from where they lie: the kernel copies them, we do not. Only an answer of more pieces than one
    /// writev(2) takes is put together first.
    func reply(read answer: Result<ReadReply, Errno>, length: Int) {
        switch answer {
        case .success(let read):
            note(read: min(read.count, length))
            withExtendedLifetime(read) {
                if read.segments.count > Self.maximumPieces {
                    return replyCopying(read, length: length)
                }
                withUnsafeTemporaryAllocation(of: iovec.self, capacity: max(read.segments.count, 1)) { pieces in
                    var rest = length
                    var count = 0
                    // Never more than asked: the kernel would refuse the whole answer.
                    for segment in read.segments where rest > 0 && !segment.bytes.isEmpty {
                        let size = min(segment.bytes.count, rest)
                        pieces[count] = iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: segment.bytes.baseAddress), iov_len: size)
                        count += 1
                        rest -= size
                    }
                    _ = reply { fuse_reply_iov($0, pieces.baseAddress, Int32(count)) }
                }
            }
        case .failure(let error): reply(error: error)
        }
    }

    private func replyCopying(_ read: ReadReply, length: Int) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(length, read.count))
        for segment in read.segments { bytes += segment.bytes.prefix(length - bytes.count) }
        bytes.withUnsafeBytes { bytes in
            _ = reply { fuse_reply_buf($0, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count) }
        }
    }
}
