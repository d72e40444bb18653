import ObjectStore
import Synchronization
import SystemPackage

/// Content types by the endings of names, by s3fs's rules: the last extension decides, and where it is unknown the one before
/// it; letter case does not matter; a key that ends in `/` is a directory; the rest is `application/octet-stream`. The
/// whole key counts, so that a dot in a directory's name can decide as well.
///
/// The table is read from mime.types(5) (`/etc/mime.types`) when it is first wanted; a machine without one gets a small table
/// that is built in. That first call reads a file of some 70 KB; all others are a look-up in memory.
final class ContentTypeTable: Sendable {
    /// The type of what has no other.
    static let unknown = "application/octet-stream"

    private let path: FilePath
    private let types = Mutex<[String: String]?>(nil)

    /// The table of the given file.
    init(path: FilePath = "/etc/mime.types") { self.path = path }

    /// The content type for an object of the given key.
    func contentType(for key: ObjectKey) -> String {
        if key.isDirectoryMarker { return DirectoryForm.contentType }
        let parts = key.string.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count > 1 else { return Self.unknown }
        let types = loaded()
        // The part before the first dot is no extension.
        for part in parts.dropFirst().suffix(2).reversed() {
            if let type = types[Self.lowercased(part)] { return type }
        }
        return Self.unknown
    }

    private func loaded() -> [String: String] {
        if let types = types.withLock({ $0 }) { return types }
        // Read without the lock; two threads that come at once read the same.
        let read = Self.read(path) ?? Self.builtIn
        return types.withLock { types in
            if let types { return types }
            types = read
            return read
        }
    }

    // MARK: The file

    /// Larger files are no mime.types; the rest of them is not read.
    private static let maximumFileSize = 4 << 20

    private static func read(_ path: FilePath) -> [String: String]? {
        guard let file = try? FileDescriptor.open(path, .readOnly) else { return nil }
        defer { try? file.close() }
        var text: [UInt8] = []
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 1)
        defer { piece.deallocate() }
        while text.count < maximumFileSize {
            guard let count = try? file.read(into: piece) else { return nil }
            if count == 0 { break }
            text += piece[..<count]
        }
        let types = parse(text)
        return types.isEmpty ? nil : types
    }

    /// Reads the lines `type extension…`; `#` begins a comment line, and a later line wins.
    static func parse(_ text: [UInt8]) -> [String: String] {
        var types: [String: String] = [:]
        for line in text.split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: "#") {
            let words = line.split { StoredNumber.isSpace($0) }
            guard words.count > 1, let type = String(validating: words[0], as: UTF8.self) else { continue }
            for word in words.dropFirst() { types[lowercased(word)] = type }
        }
        return types
    }

    // ASCII only, as strcasecmp(3) in the C locale.
    private static func lowercased(_ bytes: some Sequence<UInt8>) -> String {
        String(
            decoding: bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 },
            as: UTF8.self)
    }

    /// What programs that serve a bucket's objects most need to be told.
    private static let builtIn: [String: String] = [
        "7z": "application/x-7z-compressed", "avif": "image/avif", "bmp": "image/bmp", "bz2": "application/x-bzip2",
        "css": "text/css", "csv": "text/csv", "gif": "image/gif", "gz": "application/gzip", "htm": "text/html",
        "html": "text/html", "ico": "image/vnd.microsoft.icon", "jpeg": "image/jpeg", "jpg": "image/jpeg",
        "js": "text/javascript", "json": "application/json", "md": "text/markdown", "mjs": "text/javascript",
        "mov": "video/quicktime", "mp3": "audio/mpeg", "mp4": "video/mp4", "ogg": "audio/ogg", "pdf": "application/pdf",
        "png": "image/png", "svg": "image/svg+xml", "tar": "application/x-tar", "tif": "image/tiff",
        "tiff": "image/tiff", "txt": "text/plain", "wasm": "application/wasm", "wav": "audio/x-wav",
        "webm": "video/webm", "webp": "image/webp", "woff": "font/woff", "woff2": "font/woff2",
        "xml": "application/xml", "xz": "application/x-xz", "zip": "application/zip", "zst": "application/zstd",
    ]
}
