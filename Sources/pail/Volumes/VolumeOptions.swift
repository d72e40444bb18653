import Volumes

/// The options of a volume, as `docker volume create -o NAME=VALUE` and Podman's give them: those of `pail mount` by their long names, with dashes or
/// underscores, and `source` or `bucket`.
///
/// A flag is `yes` or `no`, `true` or `false`, or stands without a value. Paths are absolute: the plugin lives in `/`. All users are let in, because
/// containers run as any. The engine shows the options to whoever may ask, so what would hold a key is refused; `passwd_file` and `profile` name one.
enum VolumeOptions {
    /// What the plugin itself decides.
    private static let reserved: Set<String> = ["foreground"]
    /// How people may try to hand over a secret. Their values are not looked at.
    private static let secretWords = ["secret", "password", "passwd", "access-key", "token", "credential", "sse-c"]

    /// What `pail mount` is told for the options.
    /// - Throws: ``VolumeRefusal`` for an option that is unknown, missing or does not take its value. No value of an unknown option is told.
    static func arguments(_ options: [String: String]) throws(VolumeRefusal) -> (source: String, options: [String]) {
        var source: String?
        var arguments: [String] = []
        var seen: Set<String> = []
        for (name, value) in options.sorted(by: { $0.key < $1.key }) {
            let key = OptionSpec.canonical(name)
            guard !value.utf8.contains(0) else { throw VolumeRefusal("the value of \"\(key)\" has a zero byte") }
            guard seen.insert(key == "bucket" ? "source" : key).inserted else {
                throw VolumeRefusal("\"\(key)\" is given twice")
            }
            switch key {
            case "source", "bucket": source = value
            case _ where reserved.contains(key): throw VolumeRefusal("\"\(key)\" is not for volumes")
            default:
                guard MountOptionTable.byName[key] != nil || !secretWords.contains(where: key.contains) else {
                    throw VolumeRefusal(
                        "\"\(key)\": no secret is taken as an option, for the engine shows them; name a file of keys by passwd_file, or a profile"
                    )
                }
                do throws(OptionSpec.Rejection) {
                    arguments += try MountFile.option(key, flag(key, value))
                } catch {
                    throw VolumeRefusal("option \"\(key)\": \(error.reason)")
                }
            }
        }
        guard let source else {
            throw VolumeRefusal("no bucket is named: -o source=s3://BUCKET[/PREFIX], or -o bucket=BUCKET[/PREFIX]")
        }
        if !seen.contains("allow-other"), !seen.contains("allow-root") { arguments.append("--allow_other") }
        try checkWhole([source, "/"] + arguments)
        return (source, arguments)
    }

    /// Options that do not go with each other, the source, and paths that would mean another place here than where they were written.
    private static func checkWhole(_ words: [String]) throws(VolumeRefusal) {
        do throws(CommandError) {
            guard case .mount(let request) = try MountArguments(parsing: words) else { return }
            guard request.absolute(in: "/") == request else {
                throw CommandError(.usage, "paths must be absolute: they begin with \"/\"")
            }
        } catch {
            throw VolumeRefusal(error.message)
        }
    }

    private static func flag(_ key: String, _ value: String) -> String {
        guard MountOptionTable.byName[key]?.placeholder == nil else { return value }
        return switch value {
        case "", "true": "yes"
        case "false": "no"
        default: value
        }
    }
}
