import SystemPackage

/// The target of a symbolic link as its object's body holds it: the bytes alone, with no line feed.
///
/// s3fs cuts whitespace off both ends when it reads, because older tools put a line feed there; Pail does the same. A target
/// that itself begins or ends in whitespace would come back changed and is refused when it is written.
enum SymbolicLinkBody {
    /// The longest target in bytes: Linux's `PATH_MAX` without the NUL.
    static let maximumLength = 4095

    /// The target that a body tells.
    /// - Throws: `EIO` where it is empty or has a NUL in it; `ENAMETOOLONG` over 4,095 bytes.
    static func target(from body: [UInt8]) throws(Errno) -> [UInt8] {
        var bytes = body[...]
        while let first = bytes.first, StoredNumber.isSpace(first) { bytes = bytes.dropFirst() }
        while let last = bytes.last, StoredNumber.isSpace(last) { bytes = bytes.dropLast() }
        guard !bytes.isEmpty, !bytes.contains(0) else { throw .ioError }
        guard bytes.count <= maximumLength else { throw .fileNameTooLong }
        return Array(bytes)
    }

    /// The body for a target.
    /// - Throws: `ENOENT` for an empty target, as symlink(2) has it; `ENAMETOOLONG` over 4,095 bytes; `EINVAL` for one that the
    ///   body cannot carry: whitespace at an end, or a NUL.
    static func body(for target: [UInt8]) throws(Errno) -> [UInt8] {
        guard let first = target.first, let last = target.last else { throw .noSuchFileOrDirectory }
        guard target.count <= maximumLength else { throw .fileNameTooLong }
        guard !StoredNumber.isSpace(first), !StoredNumber.isSpace(last), !target.contains(0) else {
            throw .invalidArgument
        }
        return target
    }
}
