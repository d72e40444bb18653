import Glibc

/// `pail mount NAME`: finds the file of a name and puts what it says in the name's place.
///
/// | who | where the file is looked for |
/// |---|---|
/// | root | `/etc/pail/mounts.d` |
/// | a user | `$XDG_CONFIG_HOME/pail/mounts.d`, else `~/.config/pail/mounts.d`; then `/etc/pail/mounts.d` |
///
/// `PAIL_MOUNTS_DIR` names another directory, and the only one then. The file must belong to the user who mounts, or to root, and nobody else may write it:
/// it says which program's log goes where, and what is mounted for everybody.
enum NamedMount {
    /// The variable that names another directory.
    static let variable = "PAIL_MOUNTS_DIR"

    /// The arguments of `pail mount` with what the file says; as they are where they name a source and a mount point themselves.
    /// - Throws: `configuration` for a file that is missing, open to others or malformed.
    static func expanded(_ arguments: [String], environment: [String: String]) throws(CommandError) -> [String] {
        guard let index = indexOfName(in: arguments) else { return arguments }
        var given = arguments
        let name = given.remove(at: index)
        // What stands behind "--" are no options.
        if given.last == "--" { given.removeLast() }
        let path = try path(of: name, in: directories(environment, uid: geteuid()))
        return try MountFile(parsing: try text(of: path), name: path).arguments(and: given)
    }

    /// Where the only word that is no option stands, if it can be a name; nil where there are other words, or none.
    static func indexOfName(in arguments: [String]) -> Int? {
        var walk = ArgumentWalk(arguments)
        var found: Int?
        while let argument = walk.next() {
            switch argument {
            case .help: return nil
            case .positional(let text):
                guard found == nil, isName(text) else { return nil }
                found = arguments.count - walk.rest.count - 1
            case .long(let text):
                let name = OptionSpec.canonical(text.prefix { $0 != "=" })
                let takesValue = MountOptionTable.byName[name]?.placeholder != nil
                if takesValue, !text.utf8.contains(UInt8(ascii: "=")) { walk.rest = walk.rest.dropFirst() }
            case .letters(let letters):
                // Of the letters only `-o` takes a value: behind it, or in the next word.
                if letters.last == "o", !letters.dropLast().contains("o") { walk.rest = walk.rest.dropFirst() }
            }
        }
        return found
    }

    /// Whether a word can name a mount: letters, digits, `.`, `-` and `_`, and no dot at the front. So it is no path, and systemd
    /// takes it for the name of an instance as it is.
    static func isName(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count), text.utf8.first != UInt8(ascii: ".") else { return false }
        return text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    /// The directories, the first that counts first.
    static func directories(_ environment: [String: String], uid: UInt32) -> [String] {
        if let named = environment[variable], named.utf8.first == UInt8(ascii: "/") { return [named] }
        let common = "/etc/pail/mounts.d"
        if uid == 0 { return [common] }
        // The XDG specification: a path that is not absolute is to be ignored.
        if let folder = environment["XDG_CONFIG_HOME"], folder.utf8.first == UInt8(ascii: "/") {
            return [folder + "/pail/mounts.d", common]
        }
        guard let home = environment["HOME"], home.utf8.first == UInt8(ascii: "/") else { return [common] }
        return [home + "/.config/pail/mounts.d", common]
    }

    private static func path(of name: String, in directories: [String]) throws(CommandError) -> String {
        let candidates = directories.map { "\($0)/\(name).conf" }
        if let path = candidates.first(where: { access($0, F_OK) == 0 }) { return path }
        throw CommandError(
            .configuration,
            "there is no mount \"\(name)\": no file \(candidates.joined(separator: ", ")); to mount a bucket give the mount point as well: "
                + "pail mount s3://BUCKET MOUNTPOINT")
    }

    private static func text(of path: String) throws(CommandError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(path, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw unreadable(path, "it is no file")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw unreadable(path, "it belongs to another user")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw unreadable(path, "other users may write it; run: chmod go-w \(path)")
        }
        guard status.st_size <= 1 << 20 else { throw unreadable(path, "it is larger than 1 MiB") }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw unreadable(path, "it is no UTF-8") }
        return text
    }

    private static func unreadable(_ path: String, _ why: String) -> CommandError {
        CommandError(.configuration, "\(path) cannot be used: \(why)")
    }
}
