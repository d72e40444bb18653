import Glibc
import S3

/// A file with keys of one's own (SSE-C): one in base64 a line, of 32 bytes; blank lines and lines that begin with `#` are passed
/// over. The first is for new objects, the others for what was stored earlier. As s3fs's `use_sse=custom:FILE`.
enum CustomerKeyFile {
    /// Reads the file, which must be its owner's alone. No error shows any of it.
    static func read(_ path: String) throws(CommandError) -> [CustomerKey] {
        let text = try OwnFile.text(path, of: "the keys")
        let keys = try parse(text) { number in
            CommandError(.configuration, "\(path):\(number): a key of 32 bytes in base64 expected")
        }
        guard !keys.isEmpty else { throw CommandError(.configuration, "\(path): there is no key in it") }
        return keys
    }

    /// The keys of a text.
    /// - Parameter wrong: the error for a line.
    static func parse(_ text: String, wrong: (Int) -> CommandError) throws(CommandError) -> [CustomerKey] {
        var keys: [CustomerKey] = []
        var number = 0
        for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let word = String(decoding: line.filter { $0 > 0x20 }, as: UTF8.self)
            if word.isEmpty || word.utf8.first == UInt8(ascii: "#") { continue }
            guard let key = CustomerKey(base64: word) else { throw wrong(number) }
            keys.append(key)
        }
        return keys
    }
}

/// A small file with a secret, which nobody but its owner may read.
enum OwnFile {
    /// The file's text.
    /// - Parameter what: what it holds, for messages.
    static func text(_ path: String, of what: String) throws(CommandError) -> String {
        func fail(_ reason: String) -> CommandError {
            CommandError(.configuration, "\(what) in \(path): \(reason)")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw fail(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw fail("no file") }
        guard status.st_mode & 0o077 == 0 else { throw fail("other users may read it; run: chmod 600 \(path)") }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw fail(String(cString: strerror(errno))) }
        guard count < bytes.count else { throw fail("it is too long") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
