#if canImport(Glibc)
    import Glibc
#endif

/// A look at what a ``BlockCache`` has left in a mount's directory, for the consistency check: changes nothing.
public enum CachedBlocks {
    /// The name of the cache's folder in the directory.
    public static let folderName = "cache"

    /// The paths of files that are no whole blocks, sorted: torn by a crash, or changed by the disk. Reads all of the cache.
    public static func damaged(in directory: String) -> [String] {
        let folder = directory + "/" + folderName
        var damaged: [String] = []
        for group in FolderNames.all(in: folder) {
            // What was being written when a mount died; the next one removes it.
            if group.utf8.starts(with: BlockCache.temporaryPrefix.utf8) { continue }
            for name in FolderNames.all(in: folder + "/" + group) {
                let path = folder + "/" + group + "/" + name
                let isSound = BlockCache.contents(of: path).map { BlockFile.isSound($0, named: group + "/" + name) }
                if isSound != true { damaged.append(path) }
            }
        }
        return damaged.sorted()
    }
}

/// The names in a folder.
enum FolderNames {
    /// All but `.` and `..`; none where it cannot be read.
    static func all(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { found.append(name) }
        }
        return found
    }
}
