import Glibc
import Logging
import S3

/// All that a mount needs to know, found and checked without asking the store: addresses, keys, places.
struct MountPlan: Sendable {
    /// What to mount, where and how, with absolute paths.
    var request: MountRequest
    /// How to reach the store.
    var target: EndpointResolution
    /// The keys.
    var credentials: SearchedCredentials
    /// How connections are made.
    var transport: TransportOptions
    /// Keys of one's own that objects are encrypted by (SSE-C).
    var customerKeys: [CustomerKey]
    /// Told of each request to the store.
    var onRequest: (@Sendable (RequestRecord) -> Void)?
    /// Where all lies that the mount keeps on this machine; not made yet.
    var stateDirectory: String

    /// Makes the plan. Reads the shared files and the password files, asks nobody.
    /// - Throws: `configuration` for files and variables, `localState` where no place for the state is known.
    init(_ request: MountRequest, directory: String, environment: [String: String], logger: Logger) throws(CommandError)
    {
        let options = request.options
        var search = CredentialsSearch(
            bucket: request.source.bucket, isAnonymous: options.isAnonymous, passwdFile: options.passwdFile,
            profile: options.profile, environment: environment)
        // The process lives in `/`: variables with relative paths mean the directory of the person's command.
        search.paths.credentials = search.paths.credentials.map { AbsolutePath.of($0, in: directory) }
        search.paths.config = search.paths.config.map { AbsolutePath.of($0, in: directory) }
        search.paths.named = search.paths.named.map { AbsolutePath.of($0, in: directory) }
        for name in ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
            if let path = environment[name], !path.isEmpty {
                search.environment[name] = AbsolutePath.of(path, in: directory)
            }
        }
        transport = options.fine.transport
        if let path = options.fine.proxyCredentialsFile { transport.proxyCredentials = try ProxyCredentials.read(path) }
        // Those of other types may be names in a token of hardware.
        if let certificate = transport.clientCertificate, certificate.type ?? "PEM" == "PEM",
            certificate.keyType ?? "PEM" == "PEM"
        {
            for file in [certificate.file, certificate.keyFile].compactMap({ $0 }) where access(file, R_OK) != 0 {
                throw CommandError(
                    .configuration,
                    "the client's certificate \(file) cannot be read: \(String(cString: strerror(errno)))")
            }
        }
        do throws(ConfigurationError) {
            let profile = try search.loadProfile()
            target = try EndpointResolution(
                bucket: request.source.bucket, choices: Self.choices(options), environment: environment,
                profile: profile)
            search.service = options.fine.credentialsService
            search.metadata = options.instanceMetadata
            if target.endpoint.isAWS { search.region = target.region }
            credentials = try SearchedCredentials(
                search, caFile: target.caBundle.map { AbsolutePath.of($0, in: directory) },
                proxy: transport, userAgent: options.fine.userAgent ?? "pail/\(PailCommand.version)", logger: logger)
        } catch {
            throw CommandError(.configuration, error.description)
        }
        customerKeys = try Self.customerKeys(options.fine, target)
        target.caBundle = target.caBundle.map { AbsolutePath.of($0, in: directory) }
        if let path = target.caBundle, access(path, R_OK) != 0 {
            throw CommandError(
                .configuration, "the certificates in \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        stateDirectory = try StateDirectory.path(
            chosen: options.stateDirectory, environment: environment, uid: geteuid())
        self.request = request
    }

    /// Reads the keys, and refuses to send them to where they could be read.
    private static func customerKeys(
        _ fine: FineSettings, _ target: EndpointResolution
    ) throws(CommandError) -> [CustomerKey] {
        var keys = fine.customerKeys
        if let path = fine.customerKeyFile { keys = try CustomerKeyFile.read(path) + keys }
        guard !keys.isEmpty, !target.endpoint.isSecure, !fine.sendsCustomerKeysInClear else { return keys }
        throw CommandError(
            .configuration,
            "keys of one's own (SSE-C) go over the wire with each request, and \(target.endpoint.url) is not encrypted; use https "
                + "(or --sse-c-over-http in a network where nobody can listen)")
    }

    private static func choices(_ options: MountOptions) -> EndpointResolution.Choices {
        EndpointResolution.Choices(
            // The option's text has been parsed before: it is one.
            endpoint: options.endpointURL.flatMap { try? EndpointURL($0) }, region: options.region,
            addressing: options.addressing, caBundle: options.caBundle)
    }

    /// For messages about the store.
    var failureContext: StoreFailure.Context {
        StoreFailure.Context(
            bucket: request.source.bucket, endpoint: target.endpoint.url, region: target.region,
            isAnonymous: request.options.isAnonymous, origin: credentials.origin)
    }
}
