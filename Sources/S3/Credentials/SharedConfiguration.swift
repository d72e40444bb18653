/// AWS's two shared files together, as the command line tools and SDKs read them: profiles of keys and settings.
///
/// Keys come from the credentials file first, then from the config file; settings from the config file, with the
/// credentials file as a second place for the few that tools write there.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html> and
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
public struct SharedConfiguration: Sendable, Equatable {
    /// A file that was read.
    public struct File: Sendable, Equatable {
        /// Where it was.
        public var path: String
        /// What it held.
        public var document: INIDocument

        /// A file at `path` that holds `document`.
        public init(path: String, document: INIDocument) {
            self.path = path
            self.document = document
        }
    }

    private let credentials: File?
    private let config: File?

    /// The two files; nil for one that is not there.
    public init(credentials: File?, config: File?) {
        self.credentials = credentials
        self.config = config
    }

    /// Reads both files from where `paths` says. Two opens; a file that is not there is no error.
    public init(reading paths: SharedPaths) throws(ConfigurationError) {
        credentials = try Self.file(at: paths.credentials)
        config = try Self.file(at: paths.config)
    }

    private static func file(at path: String?) throws(ConfigurationError) -> File? {
        guard let path, let bytes = try ConfigurationFile.read(path) else { return nil }
        return File(path: path, document: try INIDocument(parsing: bytes, file: path))
    }

    /// The profile of that name; nil where neither file has it.
    ///
    /// The name `default` stands in the config file as `[default]` or `[profile default]` (which then counts alone), any
    /// other as `[profile NAME]`; in the credentials file each stands as `[NAME]`.
    public func profile(_ name: String) -> Profile? {
        let keys = credentials.flatMap { file in
            file.document.section(name).map { SourcedSection(file: file.path, section: $0) }
        }
        let settings = config.flatMap { file in
            Self.configSection(name, in: file.document).map { SourcedSection(file: file.path, section: $0) }
        }
        guard keys != nil || settings != nil else { return nil }
        return Profile(name: name, keys: keys, settings: settings, config: config)
    }

    /// The section `[KIND NAME]` of the config file; nil where it has none.
    func section(_ kind: String, _ name: String) -> INIDocument.Section? {
        config?.document.sections.first { $0.qualifiedName.map { $0 == (kind, name) } ?? false }
    }

    private static func configSection(_ name: String, in document: INIDocument) -> INIDocument.Section? {
        let qualified = document.sections.first { $0.qualifiedName.map { $0 == ("profile", name) } ?? false }
        return qualified ?? (name == "default" ? document.section("default") : nil)
    }
}

/// A section and the path of its file, for errors.
struct SourcedSection: Sendable, Equatable {
    var file: String
    var section: INIDocument.Section
}

extension INIDocument.Section {
    /// The two parts of `[profile work]`, quotes around the second taken off; nil for a name of one word.
    var qualifiedName: (kind: String, name: String)? {
        guard let blank = name.utf8.firstIndex(where: \.isBlank) else { return nil }
        var rest = Array(name.utf8[blank...])[...].trimmingBlanks()
        if rest.count >= 2, rest.first == rest.last, rest.first == UInt8(ascii: "\"") || rest.first == UInt8(ascii: "'")
        {
            rest = rest.dropFirst().dropLast()
        }
        return (String(name[..<blank]), String(decoding: rest, as: UTF8.self))
    }
}
