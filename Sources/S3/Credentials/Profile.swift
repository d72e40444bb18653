/// One profile of AWS's shared files: what Pail takes from it, each setting checked when it is asked for.
public struct Profile: Sendable, Equatable {
    /// The profile's name.
    public let name: String
    private let keys: SourcedSection?
    private let settings: SourcedSection?
    private let config: SharedConfiguration.File?

    init(name: String, keys: SourcedSection?, settings: SourcedSection?, config: SharedConfiguration.File?) {
        self.name = name
        self.keys = keys
        self.settings = settings
        self.config = config
    }

    /// `aws_access_key_id`, `aws_secret_access_key` and `aws_session_token`, all of one file; nil where the profile has none.
    /// - Throws: where one half is missing.
    public func credentials() throws(ConfigurationError) -> Credentials? {
        for place in [keys, settings].compactMap({ $0 }) {
            let key = place.section.property("aws_access_key_id")
            let secret = place.section.property("aws_secret_access_key")
            switch (key, secret) {
            case (let key?, let secret?):
                let keyValue = try Self.word(key, in: place.file)
                let secretValue = try Self.word(secret, in: place.file)
                let token = try place.section.property("aws_session_token").map { property throws(ConfigurationError) in
                    try Self.word(property, in: place.file)
                }
                return Credentials(accessKeyID: keyValue, secretAccessKey: secretValue, sessionToken: token)
            case (let key?, nil):
                throw ConfigurationError(
                    file: place.file, line: key.line, "aws_access_key_id without aws_secret_access_key")
            case (nil, let secret?):
                throw ConfigurationError(
                    file: place.file, line: secret.line, "aws_secret_access_key without aws_access_key_id")
            case (nil, nil): continue
            }
        }
        return nil
    }

    /// A property's value as it stands; nil where it is missing or empty.
    func text(_ name: String) -> String? {
        property(name).flatMap { $0.0.value.isEmpty ? nil : $0.0.value }
    }

    /// An error at the place of a property.
    func problem(_ name: String, _ message: String) -> ConfigurationError {
        let found = property(name)
        return ConfigurationError(
            file: found?.file, line: found?.0.line, "profile \"\(self.name)\": \(name): \(message)")
    }

    /// `region`
    public func region() throws(ConfigurationError) -> String? {
        try setting("region") { value in
            EndpointURL.isRegion(value) ? nil : "a region such as eu-central-1 expected"
        }
    }

    /// The endpoint: that of the profile's `services` section for S3 (or another service), else the profile's `endpoint_url`.
    public func endpoint(of service: String = "s3") throws(ConfigurationError) -> EndpointURL? {
        if let services = settings?.section.property("services"), let config, let place = settings {
            let section = config.document.sections.first {
                $0.qualifiedName.map { $0 == ("services", services.value) } ?? false
            }
            guard let section else {
                throw ConfigurationError(
                    file: place.file, line: services.line, "there is no section [services \(services.value)]")
            }
            if let url = section.property(service)?.nested.last(where: { $0.name == "endpoint_url" }) {
                return try endpoint(from: url, in: config.path)
            }
        }
        guard let (property, file) = property("endpoint_url") else { return nil }
        return try endpoint(from: property, in: file)
    }

    private func endpoint(from property: INIDocument.Property, in file: String) throws(ConfigurationError)
        -> EndpointURL
    {
        do {
            return try EndpointURL(property.value)
        } catch {
            throw ConfigurationError(file: file, line: property.line, "endpoint_url: \(error.message)")
        }
    }

    /// `ignore_configured_endpoint_urls`
    public func ignoresEndpoints() throws(ConfigurationError) -> Bool {
        try setting("ignore_configured_endpoint_urls") { value in
            ["true", "false"].contains(value.lowercased()) ? nil : "true or false expected"
        }?.lowercased() == "true"
    }

    /// `s3 = addressing_style`
    public func addressing() throws(ConfigurationError) -> AddressingChoice? {
        guard let place = settings,
            let property = place.section.property("s3")?.nested.last(where: { $0.name == "addressing_style" })
        else { return nil }
        guard let choice = AddressingChoice(rawValue: property.value.lowercased()) else {
            throw ConfigurationError(
                file: place.file, line: property.line, "addressing_style: path, virtual or auto expected")
        }
        return choice
    }

    /// `ca_bundle`: the path of a file of trusted certificates.
    public func caBundle() throws(ConfigurationError) -> String? {
        try setting("ca_bundle") { $0.isEmpty ? "a path expected" : nil }
    }

    private func property(_ name: String) -> (INIDocument.Property, file: String)? {
        for place in [settings, keys].compactMap({ $0 }) {
            if let property = place.section.property(name) { return (property, place.file) }
        }
        return nil
    }

    private func setting(_ name: String, objection: (String) -> String?) throws(ConfigurationError) -> String? {
        guard let (property, file) = property(name) else { return nil }
        if let objection = objection(property.value) {
            throw ConfigurationError(file: file, line: property.line, "\(name): \(objection)")
        }
        return property.value
    }

    private static func word(_ property: INIDocument.Property, in file: String) throws(ConfigurationError) -> String {
        guard !property.value.isEmpty, !property.value.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw ConfigurationError(
                file: file, line: property.line, "\(property.name): one word expected, without white space")
        }
        return property.value
    }
}
