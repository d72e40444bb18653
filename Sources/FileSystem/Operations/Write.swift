internal import ObjectStore
import Synchronization
public import SystemPackage

/// `WRITE`.
///
/// Requests: none by itself; a streaming file's full parts go up meanwhile (see ``StagedFile``). Copies: one, from the
/// kernel's message into staged memory.
extension BucketFileSystem {
    /// Takes the bytes into memory.
    public func writeNow(_ handle: HandleID, offset: Int64, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>? {
        guard let file = handles.withLock({ $0.file(handle) }) else { return .failure(.badFileDescriptor) }
        guard let staged = file.staged else { return .failure(.badFileDescriptor) }
        let result = file.flags.contains(.append) ? staged.appendNow(bytes) : staged.writeNow(at: offset, bytes)
        guard let result else { return nil }
        if case .success = result { noteWrite(file) }
        return result
    }

    /// Takes the bytes where disk or a wait is needed.
    public func write(_ handle: HandleID, offset: Int64, _ bytes: [UInt8]) async throws(Errno) -> Int {
        guard let file = handles.withLock({ $0.file(handle) }) else { throw .badFileDescriptor }
        guard let staged = file.staged else { throw .badFileDescriptor }
        let count =
            file.flags.contains(.append)
            ? try await staged.append(bytes) : try await staged.write(at: offset, bytes)
        noteWrite(file)
        return count
    }

    private func noteWrite(_ file: OpenFile) {
        file.hasWritten.store(true, ordering: .relaxed)
        noteWrite(file.inode)
    }

    /// The content has changed: so have its times.
    func noteWrite(_ inode: Inode) {
        let now = options.clock.wall()
        inode.state.withLock { state in
            state.attributes.modificationTime = now
            state.attributes.changeTime = now
        }
    }
}
