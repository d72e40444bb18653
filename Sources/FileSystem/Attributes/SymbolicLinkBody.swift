package import SystemPackage

/// The target of a symbolic link as its object's body holds it: the bytes alone, with no line feed.
///
/// s3fs cuts whitespace off both ends when it reads, because older tools put a line feed there; Pail does the same. A target
/// that itself begins or ends in whitespace is stored with the user metadata ``exactMark`` beside it, which says that the body
/// is to be taken as it is. (s3fs shows such a link without the whitespace.)
package enum SymbolicLinkBody {
    /// The longest target in bytes: Linux's `PATH_MAX` without the NUL.
    package static let maximumLength = 4095

    /// The user metadata that says that the body is the target to the byte.
    package static let exactMark = (name: "pail-link", value: "exact")

    /// Whether a target comes back changed where whitespace is cut off.
    package static func needsExactMark(_ target: [UInt8]) -> Bool {
        guard let first = target.first, let last = target.last else { return false }
        return StoredNumber.isSpace(first) || StoredNumber.isSpace(last)
    }

    /// The target that a body tells.
    /// - Parameter isExact: the object carries ``exactMark``.
    /// - Throws: `EIO` where it is empty or has a NUL in it; `ENAMETOOLONG` over 4,095 bytes.
    package static func target(from body: [UInt8], isExact: Bool = false) throws(Errno) -> [UInt8] {
        var bytes = body[...]
        if !isExact {
            while let first = bytes.first, StoredNumber.isSpace(first) { bytes = bytes.dropFirst() }
            while let last = bytes.last, StoredNumber.isSpace(last) { bytes = bytes.dropLast() }
        }
        guard !bytes.isEmpty, !bytes.contains(0) else { throw .ioError }
        guard bytes.count <= maximumLength else { throw .fileNameTooLong }
        return Array(bytes)
    }

    /// The body for a target.
    /// - Throws: `ENOENT` for an empty target, as symlink(2) has it; `ENAMETOOLONG` over 4,095 bytes; `EINVAL` for one with
    ///   a NUL in it.
    package static func body(for target: [UInt8]) throws(Errno) -> [UInt8] {
        guard !target.isEmpty else { throw .noSuchFileOrDirectory }
        guard target.count <= maximumLength else { throw .fileNameTooLong }
        guard !target.contains(0) else { throw .invalidArgument }
        return target
    }
}
