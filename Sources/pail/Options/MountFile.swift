/// A mount that has a name: what `/etc/pail/mounts.d/NAME.conf` says of it.
///
/// Lines of `KEY = VALUE`; the keys are `source`, `mount-point` and the long names of the options of `pail mount`, with dashes or
/// underscores. A flag is `yes` or `no`. Empty lines and lines that begin with `#` are passed over; there are no quotes, no
/// continued lines and no comments behind a value, so that a value is what stands there. A pure value; ``NamedMount`` reads the file.
struct MountFile: Sendable, Equatable {
    /// What to mount.
    var source: String
    /// Where, an absolute path.
    var mountPoint: String
    /// The options as arguments: `--part-size=16MiB`.
    var options: [String]

    /// As `pail mount` takes it: what is given on the command line stands behind, so that it counts.
    func arguments(and given: [String]) -> [String] { [source, mountPoint] + options + given }

    /// Reads the text of a file.
    /// - Parameter name: the file's, for messages.
    /// - Throws: `configuration`, with the file and the line. A line's text is not shown: a person may have put a secret there.
    init(parsing text: String, name: String) throws(CommandError) {
        var source: String?
        var mountPoint: String?
        var seen: [String: Int] = [:]
        options = []
        var number = 0
        // Not by characters: "\r\n" is one, and no line end then.
        for bytes in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let line = Self.trimmed(bytes)
            if line.isEmpty || line.utf8.first == UInt8(ascii: "#") { continue }
            func wrong(_ what: String) -> CommandError { CommandError(.configuration, "\(name):\(number): \(what)") }
            guard let equals = line.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                throw wrong("\"KEY = VALUE\" expected")
            }
            let key = OptionSpec.canonical(Self.trimmed(line.utf8[..<equals]))
            let value = Self.trimmed(line.utf8[line.utf8.index(after: equals)...])
            if let first = seen.updateValue(number, forKey: key) {
                throw wrong("\"\(key)\" stands in line \(first) already")
            }
            guard !value.isEmpty else { throw wrong("\"\(key)\" has no value") }
            guard !value.utf8.contains(0) else { throw wrong("the value of \"\(key)\" has a zero byte") }
            switch key {
            case "source":
                do throws(MountSource.Malformed) { _ = try MountSource(value) } catch {
                    throw wrong("\"source\": \(error.reason)")
                }
                source = value
            case "mount-point":
                guard value.utf8.first == UInt8(ascii: "/") else {
                    throw wrong("\"mount-point\": an absolute path expected")
                }
                mountPoint = value
            default:
                do throws(OptionSpec.Rejection) { options += try Self.option(key, value) } catch {
                    throw wrong("\"\(key)\": \(error.reason)")
                }
            }
        }
        guard let source else { throw CommandError(.configuration, "\(name): \"source = s3://BUCKET\" is missing") }
        guard let mountPoint else { throw CommandError(.configuration, "\(name): \"mount-point = DIR\" is missing") }
        self.source = source
        self.mountPoint = mountPoint
    }

    /// An option as an argument, checked; none for a flag that is off.
    static func option(_ key: String, _ value: String) throws(OptionSpec.Rejection) -> [String] {
        guard let option = MountOptionTable.byName[key] else {
            let known = ["source", "mount-point"] + MountOptionTable.byName.keys.sorted()
            let near = NearMiss.suggestion(for: key, among: known)
            throw OptionSpec.Rejection(
                reason: near.map { "there is no such option; did you mean \"\($0)\"?" } ?? "there is no such option")
        }
        var scratch = MountOptions()
        guard option.placeholder == nil else {
            try option.apply(&scratch, value)
            return ["--\(key)=\(value)"]
        }
        switch value {
        case "yes": return ["--\(key)"]
        case "no": return []
        default: throw OptionSpec.Rejection(reason: "yes or no expected")
        }
    }

    /// Without the blanks at both ends.
    private static func trimmed(_ bytes: Substring.UTF8View) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        var rest = bytes.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return String(decoding: rest, as: UTF8.self)
    }
}
