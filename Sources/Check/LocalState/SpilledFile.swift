#if canImport(Glibc)
    import Glibc
#endif

/// A named file of Pail's in the folder for data that finds no room in memory.
struct SpilledFile: Sendable, Equatable {
    /// What the names of such files begin with.
    static let namePrefix = ".pail-spill-"

    var path: String
    var bytes: Int64
    /// When it was last changed, in seconds of Unix time.
    var changed: Int64

    /// All in a folder, sorted; none where it cannot be read.
    static func all(in folder: String) -> [SpilledFile] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var files: [SpilledFile] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var status = stat()
            guard name.utf8.starts(with: namePrefix.utf8), lstat(folder + "/" + name, &status) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            files.append(
                SpilledFile(
                    path: folder + "/" + name, bytes: Int64(status.st_size), changed: Int64(status.st_mtim.tv_sec)))
        }
        return files.sorted { $0.path < $1.path }
    }
}
