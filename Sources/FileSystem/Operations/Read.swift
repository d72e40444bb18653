internal import Logging
internal import ObjectStore
import Synchronization
public import SystemPackage

/// `READ`.
///
/// Requests: none where the window has the bytes, or where they were fetched before the file was opened (FileReadAhead.swift); else what ``ReadWindow`` says, one GET of at least what was asked. Copies:
/// one, by the kernel, from where the HTTP thread put the bytes. A file that is being changed reads as it is now: staged bytes
/// from memory, holes as zeros, the rest from the stored version.
///
/// No two versions meet in a handle, nor in the kernel's pages, which all handles of an inode share: an inode goes over to
/// another version only while no byte of the present one has been handed out to a handle that is open (``hand(_:from:of:)``
/// decides that under the lock under which the version changes). Where bytes have been handed out, the name gets another
/// inode, and this one's reads end in `ESTALE`.
extension BucketFileSystem {
    private static let zeros = ZeroBytes(count: 1 << 20)

    /// Reads what is in memory.
    public func readNow(_ handle: HandleID, offset: Int64, length: Int) -> Result<ReadReply, Errno>? {
        guard let file = handles.withLock({ $0.file(handle) }) else { return .failure(.badFileDescriptor) }
        guard file.flags.isReadable || file.staged != nil else { return .failure(.badFileDescriptor) }
        let movesTime = movesAccessTime(file.flags)
        let isFirst = movesTime && file.isFirstRead
        let (staged, reader) = file.inode.state.withLock { state in
            if movesTime { state.noteAccess(isFirst: isFirst, now: options.clock.wall) }
            return (state.staged, state.reader)
        }
        guard let staged, staged.isDirty || staged.base == nil else {
            guard let reader else { return .success(ReadReply()) }
            if file.isBeginning(offset) { noteFileRead(file.inode) }
            guard adoptFetched(reader) else { return nil }
            guard let reply = reader.readNow(offset: offset, length: length, stream: file.stream),
                hand(reply, from: reader, of: file.inode)
            else { return nil }
            return .success(reply)
        }
        var reply = ReadReply()
        let (pieces, base) = staged.versionedContents(of: offset..<offset + Int64(length))
        for piece in pieces {
            switch piece {
            case .bytes(let segment): reply.segments.append(segment)
            case .zeros(let count): append(zeros: count, to: &reply)
            case .object(let range):
                guard let reader, reader.version == base,
                    let part = reader.readNow(offset: range.lowerBound, length: range.count, stream: file.stream),
                    part.count == range.count
                else { return nil }
                reply.segments.append(contentsOf: part.segments)
            case .unavailable: return nil
            }
        }
        return .success(reply)
    }

    /// Reads what must be fetched.
    public func read(_ handle: HandleID, offset: Int64, length: Int) async throws(Errno) -> ReadReply {
        guard let file = handles.withLock({ $0.file(handle) }) else { throw .badFileDescriptor }
        var mayAdopt = true
        var maySettle = true
        while true {
            do {
                return try await readFetching(file, offset: offset, length: length)
            } catch let error as StoreError {
                guard error.kind == .preconditionFailed || error.kind == .notFound else {
                    throw errno(for: error, verb: "read")
                }
                // The version is gone: perhaps by a commit of this mount's, of which no answer came.
                if maySettle, await settleCommit(of: file.inode) {
                    maySettle = false
                    continue
                }
                // Where nothing of it was handed out yet, the new one serves as well.
                if mayAdopt, await adoptNewVersion(of: file.inode) {
                    mayAdopt = false
                    continue
                }
                logger.warning("read: \(error): the object was replaced or removed since it was opened")
                throw .staleNFSFileHandle
            } catch {
                throw error as? Errno ?? (error is CancellationError ? .interrupted : .ioError)
            }
        }
    }

    private func readFetching(_ file: OpenFile, offset: Int64, length: Int) async throws -> ReadReply {
        while true {
            let (staged, reader) = file.inode.state.withLock { ($0.staged, $0.reader) }
            guard let staged, staged.isDirty || staged.base == nil else {
                guard let reader else { return ReadReply() }
                while !adoptFetched(reader) { try await fetched.settled(reader.version) }
                let reply = try await reader.read(offset: offset, length: length, stream: file.stream)
                if hand(reply, from: reader, of: file.inode) { return reply }
                continue
            }
            return try await readStaged(staged, of: file, offset: offset, length: length)
        }
    }

    private func readStaged(
        _ staged: StagedFile, of file: OpenFile, offset: Int64, length: Int
    ) async throws -> ReadReply {
        let (pieces, base) = try await staged.load(offset..<offset + Int64(length))
        var reply = ReadReply()
        for piece in pieces {
            switch piece {
            case .bytes(let segment): reply.segments.append(segment)
            case .zeros(let count): append(zeros: count, to: &reply)
            case .object(let range):
                guard let base else { throw Errno.ioError }
                let reader = self.reader(of: file.inode, for: base)
                let part = try await reader.read(offset: range.lowerBound, length: range.count, stream: file.stream)
                guard part.count == range.count else { throw Errno.ioError }
                reply.segments.append(contentsOf: part.segments)
            case .unavailable: throw Errno.ioError
            }
        }
        return reply
    }

    /// Whether a reply may be handed out: only while its reader is still the inode's. From then on the inode keeps to that
    /// version for as long as it is open.
    private func hand(_ reply: ReadReply, from reader: ObjectReader, of inode: Inode) -> Bool {
        let isPresent = inode.state.withLock { state in
            guard state.reader === reader else { return false }
            state.hasServedReads = true
            return true
        }
        if isPresent { tellSize(of: inode, whileReading: true) }
        return isPresent
    }

    /// Stores a file that nobody writes to any more, where an earlier commit may have taken effect without anybody knowing; that is found
    /// out first. Says whether it is stored.
    private func settleCommit(of inode: Inode) async -> Bool {
        let isOpen = inode.state.withLock { state in
            state.writers == 0 && !state.isUnlinked && state.staged?.hasUnsettledCommits ?? false
        }
        guard isOpen else { return false }
        do {
            try await commit(inode)
            return true
        } catch { return false }
    }

    /// Asks for the object's present version, and says whether the inode has gone over to it. Either way the next open asks
    /// the store, so that it meets the present version.
    private func adoptNewVersion(of inode: Inode) async -> Bool {
        let (reader, mayAdopt) = inode.state.withLock { state in
            state.seen = options.clock.monotonic().earlier(by: 1e6)
            return (state.reader, !state.hasServedReads && state.staged == nil)
        }
        guard mayAdopt else { return false }
        do {
            // By HEAD: where listings tell another ETag than the store takes as a condition, they would never do.
            if showsListed {
                inode.state.withLock { $0.isComplete = false }
                try await complete(inode)
            } else {
                try await refresh(inode)
            }
        } catch { return false }
        // The kernel has no pages of it, but the old version's size: ``tellSize(of:whileReading:)``.
        return inode.state.withLock { !$0.isUnlinked && $0.reader !== reader }
    }

    private func append(zeros count: Int, to reply: inout ReadReply) {
        var count = count
        while count > 0 {
            let run = min(count, Self.zeros.bytes.count)
            reply.segments.append(
                .init(bytes: UnsafeRawBufferPointer(rebasing: Self.zeros.bytes[..<run]), owner: Self.zeros))
            count -= run
        }
    }
}

/// Zeros to answer holes with: never written, so its pages are the system's one zero page.
private final class ZeroBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(count: Int) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { bytes.deallocate() }
}
