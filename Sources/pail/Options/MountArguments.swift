import S3

/// What the arguments of `pail mount` ask for.
enum MountArguments: Sendable, Equatable {
    /// `--help`
    case help
    /// A mount.
    case mount(MountRequest)

    /// Reads the arguments behind `pail mount`, by ``MountOptionTable``.
    ///
    /// Long options are `--name VALUE` or `--name=VALUE`; every option may also stand in a list: `-o name=VALUE,flag`, with
    /// dashes or underscores, as often as wanted. The later of two counts. A comma in a value is written `\,`, a backslash `\\`.
    init(parsing arguments: [String]) throws(CommandError) {
        var options = MountOptions()
        var positionals: [String] = []
        var walk = ArgumentWalk(arguments)
        while let argument = walk.next() {
            switch argument {
            case .positional(let text): positionals.append(text)
            case .help:
                self = .help
                return
            case .long(let text): try Self.takeLong(text, &walk.rest, &options)
            case .letters(let letters): try Self.takeShort(letters, &walk.rest, &options)
            }
        }
        self = .mount(try MountRequest(positionals: positionals, options: options))
    }

    private static func takeLong(_ text: Substring, _ rest: inout ArraySlice<String>, _ options: inout MountOptions)
        throws(CommandError)
    {
        let name = text.prefix { $0 != "=" }
        let value = text.count > name.count ? String(text.dropFirst(name.count + 1)) : nil
        guard let option = MountOptionTable.byName[OptionSpec.canonical(name)] else {
            throw unknown("--\(name)", OptionSpec.canonical(name), spelled: { "--" + OptionSpec.canonical($0) })
        }
        try apply(option, as: "--\(name)", value, &rest, &options)
    }

    private static func takeShort(_ text: Substring, _ rest: inout ArraySlice<String>, _ options: inout MountOptions)
        throws(CommandError)
    {
        var letters = text
        while let letter = letters.popFirst() {
            if letter == "o" {
                guard let list = letters.isEmpty ? rest.popFirst() : String(letters) else {
                    throw CommandError(.usage, "-o needs a list of options: -o NAME[=VALUE],…")
                }
                try takeList(list, &options)
                return
            }
            guard let option = MountOptionTable.byShortName[letter] else {
                throw CommandError(.usage, "unknown option \"-\(letter)\"; see: pail mount --help")
            }
            try apply(option, as: "-\(letter)", nil, &rest, &options)
        }
    }

    /// Takes a list as mount(8) writes it.
    static func takeList(_ list: String, _ options: inout MountOptions) throws(CommandError) {
        for entry in split(list) where !entry.isEmpty {
            let name = entry.prefix { $0 != "=" }
            let value = entry.count > name.count ? String(entry.dropFirst(name.count + 1)) : nil
            let canonical = OptionSpec.canonical(name)
            if MountOptionTable.isIgnored(canonical) { continue }
            guard let option = MountOptionTable.byName[canonical] else {
                throw unknown("-o \(name)", canonical, spelled: { "-o " + $0 })
            }
            if option.placeholder != nil, value == nil {
                throw CommandError(
                    .usage, "option \"-o \(name)\" needs a value: -o \(name)=\(option.placeholder ?? "")")
            }
            var none: ArraySlice<String> = []
            try apply(option, as: "-o \(name)", value, &none, &options)
        }
    }

    /// Splits at commas, save those behind a backslash.
    static func split(_ list: String) -> [String] {
        var entries = [""]
        var isEscaped = false
        for scalar in list.unicodeScalars {
            if isEscaped {
                if scalar != ",", scalar != "\\" { entries[entries.count - 1].unicodeScalars.append("\\") }
                entries[entries.count - 1].unicodeScalars.append(scalar)
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else if scalar == "," {
                entries.append("")
            } else {
                entries[entries.count - 1].unicodeScalars.append(scalar)
            }
        }
        if isEscaped { entries[entries.count - 1] += "\\" }
        return entries
    }

    private static func apply(
        _ option: OptionSpec, as spelling: String, _ value: String?, _ rest: inout ArraySlice<String>,
        _ options: inout MountOptions
    ) throws(CommandError) {
        var text = value
        if let placeholder = option.placeholder {
            if text == nil { text = rest.popFirst() }
            guard text != nil else {
                throw CommandError(.usage, "option \"\(spelling)\" needs a value: \(placeholder)")
            }
        } else if value != nil {
            throw CommandError(.usage, "option \"\(spelling)\" takes no value")
        }
        do throws(OptionSpec.Rejection) {
            try option.apply(&options, text ?? "")
        } catch {
            throw CommandError(.usage, "option \"\(spelling)\": \(error.reason)")
        }
    }

    private static func unknown(_ spelling: String, _ canonical: String, spelled: (String) -> String) -> CommandError {
        let known = MountOptionTable.groups.flatMap(\.options).flatMap { [$0.name] + $0.aliases }.sorted()
        let near = NearMiss.suggestion(for: canonical, among: known.map(OptionSpec.canonical))
        let name = near.flatMap { near in known.first { OptionSpec.canonical($0) == near } }
        let advice = name.map { "did you mean \"\(spelled($0))\"?" } ?? "see: pail mount --help"
        return CommandError(.usage, "unknown option \"\(spelling)\"; \(advice)")
    }
}

/// A mount that somebody asks for, checked as far as the command line alone allows.
struct MountRequest: Sendable, Equatable {
    /// What to mount.
    var source: MountSource
    /// Where, as given.
    var mountPoint: String
    /// How.
    var options: MountOptions

    init(positionals: [String], options: MountOptions) throws(CommandError) {
        guard positionals.count >= 2 else {
            throw CommandError(
                .usage,
                "\(positionals.isEmpty ? "a bucket and a mount point are" : "a mount point is") missing: "
                    + "pail mount s3://BUCKET[/PREFIX] MOUNTPOINT [options]")
        }
        guard positionals.count == 2 else {
            throw CommandError(.usage, "unexpected argument \"\(positionals[2])\"; see: pail mount --help")
        }
        do throws(MountSource.Malformed) {
            source = try MountSource(positionals[0])
        } catch {
            throw CommandError(.usage, "\"\(positionals[0])\" cannot be mounted: \(error.reason)")
        }
        guard !positionals[1].isEmpty else { throw CommandError(.usage, "the mount point's name is empty") }
        mountPoint = positionals[1]
        self.options = options
        if options.isAnonymous, options.profile != nil || options.passwdFile != nil {
            throw CommandError(.usage, "--anonymous goes with neither --profile nor --passwd-file")
        }
        if options.passwdFile != nil, options.profile != nil {
            throw CommandError(.usage, "--passwd-file does not go with --profile")
        }
        if options.allowsOther, options.allowsRoot {
            throw CommandError(.usage, "allow_other does not go with allow_root")
        }
        if options.caBundle != nil, !options.verifiesTLS {
            throw CommandError(.usage, "--ca-bundle does not go with --no-verify-tls")
        }
    }

    /// With every path made absolute: the mount's process lives in `/`.
    func absolute(in directory: String) -> MountRequest {
        var copy = self
        copy.mountPoint = AbsolutePath.of(mountPoint, in: directory)
        copy.options.caBundle = options.caBundle.map { AbsolutePath.of($0, in: directory) }
        copy.options.passwdFile = options.passwdFile.map { AbsolutePath.of($0, in: directory) }
        copy.options.stateDirectory = options.stateDirectory.map { AbsolutePath.of($0, in: directory) }
        copy.options.metricsFile = options.metricsFile.map { AbsolutePath.of($0, in: directory) }
        copy.options.requestLog = options.requestLog.map { AbsolutePath.of($0, in: directory) }
        copy.options.logFile = options.logFile.map { AbsolutePath.of($0, in: directory) }
        copy.options.fine.contentTypesFile = options.fine.contentTypesFile.map { AbsolutePath.of($0, in: directory) }
        copy.options.fine.proxyCredentialsFile = options.fine.proxyCredentialsFile.map {
            AbsolutePath.of($0, in: directory)
        }
        copy.options.fine.customerKeyFile = options.fine.customerKeyFile.map { AbsolutePath.of($0, in: directory) }
        copy.options.fine.reportFile = options.fine.reportFile.map { AbsolutePath.of($0, in: directory) }
        if var certificate = options.fine.transport.clientCertificate {
            certificate.file = AbsolutePath.of(certificate.file, in: directory)
            certificate.keyFile = certificate.keyFile.map { AbsolutePath.of($0, in: directory) }
            copy.options.fine.transport.clientCertificate = certificate
        }
        return copy
    }
}

/// A path from the root on.
enum AbsolutePath {
    /// `path` as it is, or below `directory`. Symbolic links and `..` are left to the kernel.
    static func of(_ path: String, in directory: String) -> String {
        if path.utf8.first == UInt8(ascii: "/") { return path }
        return directory.utf8.last == UInt8(ascii: "/") ? directory + path : directory + "/" + path
    }
}
