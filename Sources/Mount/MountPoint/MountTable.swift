import Glibc

/// The mounts that this process sees: /proc/self/mountinfo, see proc_pid_mountinfo(5).
struct MountTable: Sendable {
    /// One line.
    struct Entry: Sendable, Equatable {
        /// Where it is mounted.
        var mountPoint: [UInt8]
        /// The file system's type, such as `fuse.pail`.
        var type: String
        /// The source, such as `s3://bucket`.
        var source: String
        /// The device number's major part.
        var major: UInt32
        /// The device number's minor part.
        var minor: UInt32

        /// Whether libfuse or the like serves it.
        var isFuse: Bool { type == "fuse" || type.hasPrefix("fuse.") || type == "fuseblk" }
    }

    /// All mounts; of those on one directory the topmost is last.
    var entries: [Entry]

    /// Reads the table of now; empty where /proc is not mounted.
    static func current() -> MountTable {
        MountTable(parsing: FileContent.read("/proc/self/mountinfo") ?? [])
    }

    /// Reads lines of the file's form. A line that is none is left out.
    init(parsing bytes: [UInt8]) {
        entries = bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            // 36 35 98:0 /root /mount/point options [optional fields…] - type source superoptions
            guard fields.count >= 9, let dash = fields.dropFirst(6).firstIndex(where: { $0.elementsEqual("-".utf8) }),
                dash + 2 < fields.count
            else { return nil }
            let device = fields[2].split(separator: UInt8(ascii: ":"))
            guard device.count == 2, let major = UInt32(String(decoding: device[0], as: UTF8.self)),
                let minor = UInt32(String(decoding: device[1], as: UTF8.self))
            else { return nil }
            return Entry(
                mountPoint: Self.unescaped(fields[4]),
                type: String(decoding: Self.unescaped(fields[dash + 1]), as: UTF8.self),
                source: String(decoding: Self.unescaped(fields[dash + 2]), as: UTF8.self), major: major, minor: minor)
        }
    }

    /// The topmost mount on exactly this directory, which must be an absolute path without symbolic links.
    func top(at path: String) -> Entry? { entries.last { $0.mountPoint.elementsEqual(path.utf8) } }

    /// The kernel writes space, tab, newline, `#` and backslash as `\040` and so on.
    static func unescaped(_ field: some Collection<UInt8>) -> [UInt8] {
        let field = Array(field)
        var result: [UInt8] = []
        result.reserveCapacity(field.count)
        var i = 0
        while i < field.count {
            if field[i] == UInt8(ascii: "\\"), i + 3 < field.count,
                let value = UInt8(String(decoding: field[i + 1...i + 3], as: UTF8.self), radix: 8)
            {
                result.append(value)
                i += 4
            } else {
                result.append(field[i])
                i += 1
            }
        }
        return result
    }
}

/// Small files of the kernel's own (/proc, /sys), whose size stat(2) does not tell.
enum FileContent {
    /// All bytes; nil where the file cannot be opened or read. At most `limit` bytes.
    static func read(_ path: String, limit: Int = 16 << 20) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while result.count < limit {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 { return nil }
            if count == 0 { break }
            result += chunk[..<count]
        }
        return result
    }

    /// Writes `text` in one call. False where that fails.
    static func write(_ text: String, to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var text = text
        return text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) == $0.count }
    }
}
