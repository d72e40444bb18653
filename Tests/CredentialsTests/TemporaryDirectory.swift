import Glibc

/// A directory of its own for one test, removed with all in it at the end.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/pail-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("mkdtemp: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.removeTree(path) }

    private static func removeTree(_ path: String) {
        if let stream = opendir(path) {
            var names: [String] = []
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { names.append(name) }
            }
            closedir(stream)
            for name in names { removeTree(path + "/" + name) }
        }
        remove(path)
    }

    /// Writes a file with the given mode, whatever the umask, and returns its path.
    @discardableResult
    func write(_ name: String, _ text: String, mode: mode_t = 0o600) -> String {
        let file = path + "/" + name
        if let slash = name.lastIndex(of: "/") { mkdir(path + "/" + name[..<slash], 0o700) }
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { fatalError("open \(file): \(errno)") }
        var text = text
        text.withUTF8 { bytes in
            guard Glibc.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count else { fatalError("write") }
        }
        fchmod(descriptor, mode)
        close(descriptor)
        return file
    }
}
