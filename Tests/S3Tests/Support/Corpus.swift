#if canImport(Glibc)
    import Glibc
#endif

/// Answers of real servers, kept beside the tests.
enum Corpus {
    private static let directory =
        #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Corpus"

    /// The documents whose names end so, in the order of their names.
    static func documents(_ ending: String) -> [(name: String, bytes: [UInt8])] {
        guard let folder = opendir(directory) else { return [] }
        defer { closedir(folder) }
        var found: [(String, [UInt8])] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasSuffix(ending), let file = fopen(directory + "/" + name, "r") else { continue }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
            found.append((name, bytes))
        }
        return found.sorted { $0.0 < $1.0 }
    }
}
