/// What is mounted: a bucket, or what lies below a prefix of its keys.
struct MountSource: Sendable, Equatable, CustomStringConvertible {
    /// Why a text is no source.
    struct Malformed: Error, Equatable {
        var reason: String
    }

    /// The bucket's name.
    let bucket: String
    /// What every key of the mount begins with: empty, or ending in `/`.
    let prefix: String

    /// Reads `s3://BUCKET[/PREFIX]`, and the forms that fstab and s3fs know: `pail#BUCKET[/PREFIX]`, `BUCKET[/PREFIX]`,
    /// `BUCKET:/PREFIX`.
    ///
    /// A prefix is a path of names: no empty one, no `.` and no `..`, which the kernel could not reach.
    init(_ text: String) throws(Malformed) {
        var rest = text[...]
        for scheme in ["s3://", "S3://", "pail#"] where rest.utf8.starts(with: scheme.utf8) {
            rest = rest.dropFirst(scheme.count)
            break
        }
        let name = rest.prefix { $0 != "/" && $0 != ":" }
        let path = rest.dropFirst(name.count)
        guard !name.isEmpty else { throw Malformed(reason: "it names no bucket; s3://BUCKET[/PREFIX] expected") }
        guard (3...255).contains(name.utf8.count), Self.isBucketName(name) else {
            throw Malformed(
                reason: "\"\(name)\" is no bucket's name: 3 or more letters, digits, \".\", \"-\" and \"_\" expected")
        }
        guard path.isEmpty || path.first == "/" || path.utf8.starts(with: ":/".utf8) else {
            throw Malformed(reason: "s3://BUCKET[/PREFIX] expected")
        }
        var parts = path.drop { $0 == ":" }.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        if parts.last?.isEmpty ?? false { parts.removeLast() }
        for part in parts {
            guard !part.isEmpty, part != ".", part != "..", !part.utf8.contains(0) else {
                throw Malformed(reason: "its prefix holds an empty name, \".\" or \"..\"")
            }
            guard part.utf8.count <= 255 else { throw Malformed(reason: "its prefix holds a name of over 255 bytes") }
        }
        bucket = String(name)
        prefix = parts.isEmpty ? "" : parts.joined(separator: "/") + "/"
        guard prefix.utf8.count < 1024 else { throw Malformed(reason: "its prefix is longer than a key can be") }
    }

    private static func isBucketName(_ name: Substring) -> Bool {
        name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        } && name != "..." && !name.contains("..")
    }

    /// `s3://bucket/prefix`
    var description: String { "s3://\(bucket)" + (prefix.isEmpty ? "" : "/" + prefix.dropLast()) }
}
