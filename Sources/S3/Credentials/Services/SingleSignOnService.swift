internal import FoundationEssentials
internal import ObjectStore

/// The portal of AWS's IAM Identity Center: a role's credentials for the token that `aws sso login` has left. One request.
///
/// <https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html>
struct SingleSignOnService {
    let transport: CredentialsTransport

    private struct Token: Decodable {
        var accessToken: String?
        var expiresAt: String?
    }

    private struct Answer: Decodable {
        struct Role: Decodable {
            var accessKeyId: String
            var secretAccessKey: String
            var sessionToken: String
            /// Milliseconds of Unix time.
            var expiration: Int64
        }
        var roleCredentials: Role
    }

    func credentials(_ login: SingleSignOn, now: Int64) async throws(CredentialsError) -> Credentials {
        let token = try Self.token(login, now: now)
        let query =
            "role_name=\(URIEncoding.encode(login.role, keepingSlash: false))"
            + "&account_id=\(URIEncoding.encode(login.account, keepingSlash: false))"
        let response = try await transport.send(
            .init(
                url: "\(login.endpoint.url)/federation/credentials?\(query)",
                headers: [("x-amz-sso_bearer_token", token)],
                isLocal: ContainerEndpoint.isTrusted(host: login.endpoint.host)))
        switch response.status {
        case 200: break
        case 401: throw Self.expired(login)
        case 403:
            throw CredentialsError(
                "single sign-on: role \(login.role) of account \(login.account) is not for you (403)")
        default:
            throw CredentialsError(
                "single sign-on: \(CredentialsTransport.host(of: login.endpoint.url)) answered \(response.status)",
                isTransient: RetryPolicy.isTransient(status: response.status, code: ""))
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(response.body)) else {
            throw CredentialsError("single sign-on: the answer is no JSON with credentials")
        }
        let role = answer.roleCredentials
        return Credentials(
            accessKeyID: role.accessKeyId, secretAccessKey: role.secretAccessKey, sessionToken: role.sessionToken,
            expiration: Timestamp(
                seconds: role.expiration / 1000, nanoseconds: Int32(role.expiration % 1000) * 1_000_000))
    }

    /// The token of the last login, as long as it holds.
    private static func token(_ login: SingleSignOn, now: Int64) throws(CredentialsError) -> String {
        let bytes: [UInt8]?
        do throws(ConfigurationError) { bytes = try ConfigurationFile.read(login.cacheFile) } catch {
            throw CredentialsError("single sign-on: \(error)")
        }
        guard let bytes else {
            throw CredentialsError("nobody is logged in; run: aws sso login --profile \(login.profile)")
        }
        guard let token = try? JSONDecoder().decode(Token.self, from: Data(bytes)), let value = token.accessToken,
            // AWS's command line, version 1, wrote "UTC" for "Z".
            let end = token.expiresAt.flatMap({ DateFormats.parseISO8601($0.replacing("UTC", with: "Z")) })
        else { throw CredentialsError("\(login.cacheFile): this is no token of aws sso login") }
        guard end.seconds > now else { throw expired(login) }
        return value
    }

    private static func expired(_ login: SingleSignOn) -> CredentialsError {
        CredentialsError("the login has expired; run: aws sso login --profile \(login.profile)")
    }
}
