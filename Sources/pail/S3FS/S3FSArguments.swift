/// What s3fs's command line asks for: a pure function of the arguments.
///
/// As s3fs and libfuse read it: `-o LIST` or `-oLIST`, as often as wanted; a comma in a value is written `\,`. The first word
/// that is no option is the bucket, unless `-o bucket=` names one, the second the mount point.
enum S3FSArguments: Sendable, Equatable {
    /// `-h`, `--help`
    case help
    /// `--version`
    case version
    /// `-u`, `--incomplete-mpu-list`
    case listUploads(S3FSSettings, source: String)
    /// `--incomplete-mpu-abort[=all|=AGE]`; unconfirmed with `--yes`.
    case abortUploads(S3FSSettings, source: String, UploadAge, isConfirmed: Bool)
    /// A mount.
    case mount(S3FSSettings, source: String, mountPoint: String)

    private enum Utility {
        case none, list
        case abort(UploadAge)
    }

    init(parsing arguments: [String]) throws(CommandError) {
        var settings = S3FSSettings()
        var positionals: [String] = []
        var utility = Utility.none
        var isConfirmed = false
        var rest = arguments[...]
        var optionsAreOver = false
        while let argument = rest.popFirst() {
            if optionsAreOver || argument == "-" || argument.utf8.first != UInt8(ascii: "-") {
                positionals.append(argument)
                continue
            }
            switch argument {
            case "--": optionsAreOver = true
            case "-h", "--help":
                self = .help
                return
            case "--version", "-V":
                self = .version
                return
            case "-u", "--incomplete-mpu-list": utility = .list
            case "--incomplete-mpu-abort": utility = .abort(.standard)
            case "-y", "--yes": isConfirmed = true
            case "-f": settings.options.isForeground = true
            case "-s": settings.options.threads = 1
            case "-d", "--debug": settings.debugLevel += 1
            case "-o":
                guard let list = rest.popFirst() else { throw CommandError(.usage, "missing argument after \"-o\"") }
                try Self.takeList(list, &settings)
            case _ where argument.utf8.starts(with: "--incomplete-mpu-abort=".utf8):
                let text = argument.dropFirst("--incomplete-mpu-abort=".count)
                guard let age = UploadAge(String(text)) else {
                    throw CommandError(
                        .usage,
                        "option \"--incomplete-mpu-abort\": all or an age such as 1D12h expected, not \"\(text)\"")
                }
                utility = .abort(age)
            case _ where argument.utf8.starts(with: "-o".utf8):
                try Self.takeList(String(argument.dropFirst(2)), &settings)
            default:
                throw CommandError(.usage, "unknown option \"\(argument)\"; see: s3fs --help")
            }
        }
        try self.init(settings, positionals, utility, isConfirmed: isConfirmed)
    }

    private init(
        _ settings: S3FSSettings, _ positionals: [String], _ utility: Utility, isConfirmed: Bool
    ) throws(CommandError) {
        var words = positionals[...]
        let isMount = if case .none = utility { true } else { false }
        let wanted = isMount ? 2 : 1
        var source = settings.bucket
        if source == nil || words.count == wanted {
            let first = words.popFirst()
            if let source, let first, first != source {
                throw CommandError(.usage, "two buckets are named: \"\(first)\" and, by -o bucket=, \"\(source)\"")
            }
            source = source ?? first
        }
        guard let source, !source.isEmpty else {
            throw CommandError(.usage, "missing BUCKET argument; usage: s3fs BUCKET[:/PATH] MOUNTPOINT [-o OPTION,…]")
        }
        let mountPoint = isMount ? words.popFirst() : nil
        if let extra = words.first { throw CommandError(.usage, "specified unknown third option \"\(extra)\"") }
        switch utility {
        case .list: self = .listUploads(settings, source: source)
        case .abort(let age): self = .abortUploads(settings, source: source, age, isConfirmed: isConfirmed)
        case .none:
            guard let mountPoint, !mountPoint.isEmpty else {
                throw CommandError(
                    .usage, "missing MOUNTPOINT argument; usage: s3fs BUCKET[:/PATH] MOUNTPOINT [-o OPTION,…]")
            }
            self = .mount(settings, source: source, mountPoint: mountPoint)
        }
    }

    /// Takes a list as mount(8) writes it.
    private static func takeList(_ list: String, _ settings: inout S3FSSettings) throws(CommandError) {
        for entry in MountArguments.split(list) where !entry.isEmpty {
            let name = String(entry.prefix { $0 != "=" })
            let value = entry.count > name.count ? String(entry.dropFirst(name.count + 1)) : nil
            guard let option = S3FSOptionTable.byName[name] else {
                if MountOptionTable.isIgnored(OptionSpec.canonical(name)) { continue }
                throw unknown(name)
            }
            try apply(option, name, value, &settings)
        }
    }

    private static func apply(
        _ option: S3FSOption, _ name: String, _ value: String?, _ settings: inout S3FSSettings
    ) throws(CommandError) {
        switch option.value {
        case .none where value != nil: throw CommandError(.usage, "option \"-o \(name)\" takes no value")
        case .required(let placeholder) where value == nil:
            throw CommandError(.usage, "option \"-o \(name)\" needs a value: -o \(name)=\(placeholder)")
        default: break
        }
        switch option.effect {
        case .refused(let reason): throw CommandError(.usage, "option \"-o \(name)\" is not possible: \(reason)")
        case .withoutEffect(let reason):
            let notice = "option \"-o \(name)\" has no effect: \(reason)"
            if !settings.notices.contains(notice) { settings.notices.append(notice) }
        case .honoured, .mapped: break
        }
        do throws(OptionSpec.Rejection) {
            try option.apply(&settings, value)
        } catch {
            throw CommandError(.usage, "option \"-o \(name)\": \(error.reason)")
        }
    }

    private static func unknown(_ name: String) -> CommandError {
        let near = NearMiss.suggestion(for: name, among: S3FSOptionTable.byName.keys.sorted())
        let advice = near.map { "did you mean \"-o \($0)\"?" } ?? "see: s3fs --help"
        return CommandError(.usage, "unknown option \"-o \(name)\"; \(advice)")
    }
}
