/// What a mount container is told by its environment: the variables of the image efrecon/s3fs, so that in a compose file only the
/// image's name changes; and `PAIL_ARGS` for what s3fs does not have.
///
/// A pure function of the variables and of the files that they name; Documentation/CONTAINERS.md lists them. As there, a variable that
/// is empty is one that is not set. Keys are handed on beside the arguments, never in them.
struct ContainerSettings: Sendable, Equatable {
    /// s3fs's command line, without the program's name.
    var arguments: [String]
    /// Pail's own options, as behind `-o`.
    var pailOptions: String?
    /// Where the bucket is to be mounted.
    var mountPoint: String
    /// The environment to mount with: what was given, with the keys under the names that s3fs and Pail read.
    var environment: [String: String]

    /// - Parameters:
    ///   - given: the process's environment.
    ///   - readFile: gives a file's text; nil where there is no such file.
    /// - Throws: `configuration` for what is missing or contradicts itself.
    init(
        environment given: [String: String], readFile: (String) throws(CommandError) -> String?
    ) throws(CommandError) {
        var values = given.filter { !$0.value.isEmpty }
        if let path = values["AWS_S3_ENVFILE"] {
            guard let text = try readFile(path) else { throw Self.missing("AWS_S3_ENVFILE", path) }
            // As there: the file's lines count before the container's own variables.
            for (name, value) in Self.variables(in: text) { values[name] = value }
            values = values.filter { !$0.value.isEmpty }
        }
        guard let bucket = values["AWS_S3_BUCKET"] else {
            throw CommandError(.configuration, "no bucket: set AWS_S3_BUCKET")
        }
        let root = values["AWS_S3_ROOTDIR"] ?? "/opt/s3fs"
        mountPoint = Self.mountPoint(values)
        guard mountPoint.utf8.first == UInt8(ascii: "/") else {
            throw CommandError(.configuration, "AWS_S3_MOUNT: an absolute path expected, not \"\(mountPoint)\"")
        }
        environment = given
        arguments = ["-f", bucket, mountPoint, "-o", "dbglevel=warn"]
        if let url = values["AWS_S3_URL"] { arguments += ["-o", "url=" + Self.escaped(url)] }

        let key = try Self.secret("AWS_S3_ACCESS_KEY_ID", values, readFile)
        let secret = try Self.secret("AWS_S3_SECRET_ACCESS_KEY", values, readFile)
        switch (key, secret) {
        case (let key?, let secret?):
            for name in ["AWS_SESSION_TOKEN", "AWSACCESSKEYID", "AWSSECRETACCESSKEY", "AWSSESSIONTOKEN"] {
                environment[name] = nil
            }
            environment["AWS_ACCESS_KEY_ID"] = key
            environment["AWS_SECRET_ACCESS_KEY"] = secret
        case (nil, nil):
            let standard = root + "/passwd-s3fs"
            if let file = values["AWS_S3_AUTHFILE"] {
                arguments += ["-o", "passwd_file=" + Self.escaped(file)]
            } else if try readFile(standard) != nil {
                arguments += ["-o", "passwd_file=" + Self.escaped(standard)]
            }
        case (nil, _):
            throw CommandError(.configuration, "AWS_S3_SECRET_ACCESS_KEY is set, and AWS_S3_ACCESS_KEY_ID is not")
        case (_, nil):
            throw CommandError(.configuration, "AWS_S3_ACCESS_KEY_ID is set, and AWS_S3_SECRET_ACCESS_KEY is not")
        }

        let user = try Self.number("UID", values)
        let group = try Self.number("GID", values)
        arguments += ["-o", "uid=\(user),gid=\(group)"]
        // There, s3fs runs as that user, who may then use the mount. Pail stays root, and lets him in so.
        if user != 0 || group != 0 { arguments += ["-o", "allow_other"] }
        if let list = values["S3FS_ARGS"] { arguments += ["-o", Self.withoutDash(list)] }
        switch values["S3FS_DEBUG"] {
        case nil, "0": break
        default: arguments += ["-d", "-d"]
        }
        pailOptions = values["PAIL_ARGS"].map(Self.withoutDash)
    }

    /// Where the bucket is mounted, for who asks how it is.
    static func mountPoint(_ values: [String: String]) -> String {
        func value(_ name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }
        return value("AWS_S3_MOUNT") ?? (value("AWS_S3_ROOTDIR") ?? "/opt/s3fs") + "/bucket"
    }

    /// The variables that a file sets: lines `NAME=VALUE` of names that begin with `S3FS_`, `AWS_S3_` or `PAIL_`, and of `UID` and `GID`; quotes around a
    /// value are taken off. Nothing is evaluated: it is no shell script.
    static func variables(in text: String) -> [(String, String)] {
        text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { bytes in
            var line = String(decoding: bytes, as: UTF8.self)
            if line.utf8.last == UInt8(ascii: "\r") { line = String(decoding: line.utf8.dropLast(), as: UTF8.self) }
            guard let equals = line.utf8.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let name = String(line[..<equals])
            guard
                ["S3FS_", "AWS_S3_", "PAIL_"].contains(where: { name.utf8.starts(with: $0.utf8) })
                    || ["UID", "GID"].contains(name)
            else { return nil }
            var value = line[line.utf8.index(after: equals)...]
            for quote in ["\"", "'"] where value.count >= 2 && value.hasPrefix(quote) && value.hasSuffix(quote) {
                value = value.dropFirst().dropLast()
                break
            }
            return (name, String(value))
        }
    }

    /// The first line of the file that `NAME_FILE` names, with or without a line end, else the variable's own value.
    private static func secret(
        _ name: String, _ values: [String: String], _ readFile: (String) throws(CommandError) -> String?
    ) throws(CommandError) -> String? {
        guard let path = values[name + "_FILE"] else { return values[name] }
        guard let text = try readFile(path) else { throw missing(name + "_FILE", path) }
        let line = text.utf8.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard !line.isEmpty else { throw CommandError(.configuration, "\(name)_FILE: \(path) is empty") }
        return String(decoding: line, as: UTF8.self)
    }

    private static func number(_ name: String, _ values: [String: String]) throws(CommandError) -> UInt32 {
        guard let text = values[name] else { return 0 }
        guard let number = UInt32(text), number != .max, text.utf8.first != UInt8(ascii: "+") else {
            throw CommandError(.configuration, "\(name): a number expected, not \"\(text)\"")
        }
        return number
    }

    /// People write the `-o` that the image asks them to leave out.
    private static func withoutDash(_ list: String) -> String {
        let rest = list.utf8.starts(with: "-o".utf8) ? Substring(list.utf8.dropFirst(2)) : Substring(list)
        return String(rest.drop { $0 == " " })
    }

    /// A value in an option list: see `MountArguments.split`.
    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { result, character in
            if character == "," || character == "\\" { result.append("\\") }
            result.append(character)
        }
    }

    private static func missing(_ name: String, _ path: String) -> CommandError {
        CommandError(.configuration, "\(name): there is no file \(path)")
    }
}
