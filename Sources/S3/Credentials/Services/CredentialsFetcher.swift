internal import Glibc
internal import ObjectStore

/// Carries a ``CredentialsSource`` out: asks its services, each of them again where a failure may pass by itself.
struct CredentialsFetcher: Sendable {
    /// Certificates to trust; nil for the system's.
    var caFile: String?
    /// How connections to services outside of this machine are made.
    var proxy: TransportOptions
    /// `User-Agent`
    var userAgent: String

    /// The credentials of a source. Requests: none for keys and programs, 1 for a role, a login and a container, 3 for an instance;
    /// each of them up to three times.
    func fetch(_ source: CredentialsSource) async -> Result<Credentials, CredentialsError> {
        do throws(CredentialsError) { return .success(try await credentials(source)) } catch { return .failure(error) }
    }

    private func credentials(_ source: CredentialsSource) async throws(CredentialsError) -> Credentials {
        switch source {
        case .keys(let keys): return keys
        case .process(let command): return try await CredentialProcess.credentials(command)
        case .role(let role, let base):
            var attempt = 1
            while true {
                let keys = try await credentials(base)
                do throws(CredentialsError) {
                    return try await trying { transport throws(CredentialsError) in
                        try await SecurityTokenService(transport: transport).assume(role, with: keys, now: Self.now())
                    }
                } catch {
                    guard error.refusesKeys, base.keys == nil else { throw error }
                    // Keys that were got a moment ago have been revoked meanwhile: there are others.
                    var error = error
                    error.isTransient = true
                    guard attempt < 3 else { throw error }
                    attempt += 1
                }
            }
        case .webIdentity(let identity):
            return try await trying { transport throws(CredentialsError) in
                try await SecurityTokenService(transport: transport).assume(identity)
            }
        case .singleSignOn(let login):
            return try await trying { transport throws(CredentialsError) in
                try await SingleSignOnService(transport: transport).credentials(login, now: Self.now())
            }
        case .container(let endpoint):
            return try await trying { transport throws(CredentialsError) in
                try await ContainerService(transport: transport).credentials(endpoint)
            }
        case .instance(let instance):
            return try await trying(instance.attempts) { transport throws(CredentialsError) in
                try await InstanceMetadataService(transport: transport).credentials(instance)
            }
        }
    }

    /// Asks until there is an answer, a final refusal, or `attempts` are used up; the pauses between grow.
    private func trying(
        _ attempts: Int = 3, _ ask: (CredentialsTransport) async throws(CredentialsError) -> Credentials
    ) async throws(CredentialsError) -> Credentials {
        let transport = CredentialsTransport(caFile: caFile, proxy: proxy, userAgent: userAgent)
        var attempt = 1
        while true {
            do throws(CredentialsError) { return try await ask(transport) } catch {
                guard error.isTransient, attempt < attempts else { throw error }
            }
            let pause = Double.random(in: 0.5...1) * 0.25 * Double(1 << attempt)
            try? await Task.sleep(for: .seconds(pause))
            attempt += 1
        }
    }

    private static func now() -> Int64 { S3Store.wallClock() }
}
