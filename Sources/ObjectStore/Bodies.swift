/// Bytes to be sent, read piece by piece so that no copy of the whole is made.
///
/// A body is read more than once: for its checksum, and again for each retry. Its bytes must not change meanwhile.
public protocol RequestBody: Sendable {
    /// The number of bytes.
    var length: Int64 { get }

    /// Copies bytes from `offset` on into `buffer` and returns how many: `min(buffer.count, length - offset)`.
    ///
    /// Called on the HTTP thread, so it must not wait for the network or for a lock held over a wait.
    /// - Throws: when the bytes cannot be read from this machine's disk; the request then fails with `bodyUnreadable`.
    func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// A body held in one array.
public struct ArrayBody: RequestBody {
    private let bytes: [UInt8]

    /// A body of the given bytes.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The number of bytes.
    public var length: Int64 { Int64(bytes.count) }

    /// Copies from the array: one copy.
    public func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let start = Int(offset)
        let count = min(buffer.count, bytes.count - start)
        guard count > 0 else { return 0 }
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count])) }
        return count
    }
}

/// Takes an object's bytes as they land.
///
/// Called on the HTTP thread in order: `begin` once, then `receive` for consecutive bytes. A retry after a broken
/// connection goes on where the bytes stopped, of the same version, so a sink never sees a byte twice.
public protocol DownloadSink: AnyObject, Sendable {
    /// The headers are there; `range` is the part of the object that follows.
    func begin(_ info: ObjectInfo, range: Range<Int64>)

    /// The next bytes, valid only during the call. Must not wait.
    func receive(_ bytes: UnsafeRawBufferPointer)
}
