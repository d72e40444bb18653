import Glibc

/// A line of fstab(5) for a bucket: fsck(8) hands on the source alone, and the store's address stands in the options.
struct FstabEntry: Sendable, Equatable {
    /// The first field.
    var source: String
    /// The third.
    var type: String
    /// The fourth.
    var options: String

    /// Whether the network has to be up.
    var needsNetwork: Bool { options.split(separator: ",").contains("_netdev") }

    /// The line of a source; nil where there is none of Pail's.
    static func find(_ source: String, in text: String) -> FstabEntry? {
        for line in text.split(separator: "\n") where !line.utf8.starts(with: "#".utf8) {
            let fields = line.split { $0 == " " || $0 == "\t" }.map(unescaped)
            guard fields.count >= 4, fields[0] == source, fields[2] == "pail" || fields[2] == "fuse.pail" else {
                continue
            }
            return FstabEntry(source: fields[0], type: fields[2], options: fields[3])
        }
        return nil
    }

    /// The system's table, or the one that libmount's variable names.
    static func table(_ environment: [String: String]) -> String {
        guard let file = fopen(environment["LIBMOUNT_FSTAB"] ?? "/etc/fstab", "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&piece, 1, piece.count, file), count > 0, bytes.count < 4 << 20 {
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `\040` is a space: fstab(5).
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
