#if canImport(Glibc)
    import Glibc
#endif

/// How much of the disk a cache may use.
public struct DiskShare: Sendable {
    /// The most bytes that it keeps.
    public var limit: Int64
    /// Bytes of the disk that stay free.
    public var minimumFree: Int64

    /// A share of `limit` bytes.
    public init(limit: Int64, minimumFree: Int64 = 1 << 30) {
        self.limit = limit
        self.minimumFree = minimumFree
    }

    /// Whether the disk that `path` lies on stays free as far as it shall, with so many bytes more on it. See statvfs(3).
    func hasRoom(for bytes: Int64, at path: String) -> Bool {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { return false }
        return Int64(clamping: UInt64(information.f_bavail)) * Int64(information.f_frsize) - bytes >= minimumFree
    }
}
