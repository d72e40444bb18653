import Glibc

/// The file that `proxy_cred_file=` names: one line `USER:PASSWORD`; blank lines and lines that begin with `#` are passed over.
enum ProxyCredentials {
    /// Reads the file, which must be its owner's alone.
    static func read(_ path: String) throws(CommandError) -> String {
        func fail(_ reason: String) -> CommandError {
            CommandError(.configuration, "the proxy's credentials in \(path): \(reason)")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fail(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw fail("no file") }
        guard status.st_mode & 0o077 == 0 else { throw fail("other users may read it; run: chmod 600 \(path)") }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw fail(String(cString: strerror(errno))) }
        guard count < bytes.count else { throw fail("it is too long") }
        guard let found = parse(String(decoding: bytes[..<count], as: UTF8.self)) else {
            throw fail("one line USER:PASSWORD expected")
        }
        return found
    }

    /// The one line of the text; nil where there is none, more, or one of another form.
    static func parse(_ text: String) -> String? {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmed }
            .filter { !$0.isEmpty && $0.utf8.first != UInt8(ascii: "#") }
        guard lines.count == 1, lines[0].utf8.first != UInt8(ascii: ":"), lines[0].utf8.contains(UInt8(ascii: ":"))
        else {
            return nil
        }
        return lines[0]
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return String(rest)
    }
}
