internal import ObjectStore

/// Turns paths of the mount into keys of the bucket and back: s3fs's rule, `/a/b` is the key `a/b`, and the directory `/a/b`
/// the key `a/b/`.
package struct KeySpace: Sendable {
    /// The folder of the bucket that is Pail's own and not shown: what must be kept beside the files.
    package static let reservedName = ".pail"

    /// What all keys begin with: empty, or ending in `/`.
    let prefix: String

    /// The key of the file at `path`.
    func fileKey(_ path: String) -> ObjectKey { ObjectKey(prefix + path) }

    /// The key of the marker of the directory at `path`. The root of a bucket has none of its own, so its attributes are
    /// kept under the reserved prefix.
    func directoryKey(_ path: String) -> ObjectKey {
        if !path.isEmpty { return ObjectKey(prefix + path + "/") }
        return prefix.isEmpty ? ObjectKey(Self.reservedName + "/root/") : ObjectKey(prefix)
    }

    /// What the keys below the directory at `path` begin with.
    func listingPrefix(_ path: String) -> String { path.isEmpty ? prefix : prefix + path + "/" }

    /// A key under the reserved prefix.
    func reservedKey(_ rest: String) -> ObjectKey { ObjectKey(prefix + Self.reservedName + "/" + rest) }

    /// Whether the path lies in what is Pail's own.
    func isReserved(_ path: String) -> Bool {
        path.utf8.elementsEqual(Self.reservedName.utf8) || path.utf8.starts(with: (Self.reservedName + "/").utf8)
    }

    /// Whether the key of the directory at `path` is short enough for S3.
    func fits(_ path: String) -> Bool { prefix.utf8.count + path.utf8.count + 1 <= ObjectKey.maximumLength }

    /// The name that an entry of a listing has in its directory; nil for what the kernel cannot show: an empty name, `.`,
    /// `..`, over 255 bytes, NUL.
    /// - Parameter key: a key or common prefix below `listingPrefix`.
    static func name(of key: String, below listingPrefix: String) -> FileName? {
        var rest = key.utf8.dropFirst(listingPrefix.utf8.count)
        if rest.last == UInt8(ascii: "/") { rest = rest.dropLast() }
        return String(rest).flatMap { FileName($0) }
    }
}
