internal import ObjectStore
import Synchronization
public import SystemPackage

/// `FALLOCATE` and `LSEEK`: holes.
///
/// Requests: none; what is changed is stored by the next commit. A bucket keeps no holes: they are zeros in the object, and a file
/// has them only until it has been stored and opened anew. Nor can space be reserved in it: an allocation that keeps the size does
/// nothing, one that does not grows the file by zeros.
extension BucketFileSystem {
    /// `FALLOCATE`
    public func allocate(_ handle: HandleID, mode: AllocationMode, offset: Int64, length: Int64) async throws(Errno) {
        guard let file = handles.withLock({ $0.file(handle) }), let staged = file.staged else {
            throw .badFileDescriptor
        }
        guard offset >= 0, length > 0 else { throw .invalidArgument }
        let (end, isOver) = offset.addingReportingOverflow(length)
        guard !isOver else { throw .fileTooLarge }
        switch mode {
        case []:
            guard end > staged.size else { return }
            try await staged.zero(staged.size..<end, keepsSize: false)
        case .keepSize: return
        case .zeroRange: try await staged.zero(offset..<end, keepsSize: false)
        case [.punchHole, .keepSize], [.zeroRange, .keepSize]: try await staged.zero(offset..<end, keepsSize: true)
        default: throw .notSupportedOnSocket
        }
        file.hasWritten.store(true, ordering: .relaxed)
        noteWrite(file.inode)
    }

    /// `LSEEK`
    public func seekNow(_ handle: HandleID, from offset: Int64, to target: SeekTarget) -> Result<Int64, Errno> {
        guard let file = handles.withLock({ $0.file(handle) }) else { return .failure(.badFileDescriptor) }
        let (staged, size) = file.inode.state.withLock { ($0.staged, $0.size) }
        guard let staged else {
            guard offset >= 0, offset < size else { return .failure(.noSuchAddressOrDevice) }
            return .success(target == .data ? offset : size)
        }
        guard let found = staged.seek(from: offset, to: target) else { return .failure(.noSuchAddressOrDevice) }
        return .success(found)
    }
}
