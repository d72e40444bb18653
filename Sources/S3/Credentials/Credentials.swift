public import ObjectStore

/// What requests are signed with.
///
/// Neither the secret nor the session token ever appears in a description, so that a log line or an error cannot show them.
///
/// See <https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html>.
public struct Credentials: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The public name of the key.
    public var accessKeyID: String
    /// The secret.
    public var secretAccessKey: String
    /// The token that temporary credentials carry; nil for lasting ones.
    public var sessionToken: String?
    /// When temporary credentials end; nil for lasting ones.
    public var expiration: Timestamp?

    /// Credentials of the given parts.
    public init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Timestamp? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiration = expiration
    }

    /// The access key id and whether there is a session token; never the secret.
    public var description: String {
        "Credentials(\(accessKeyID)\(sessionToken == nil ? "" : ", with a session token"))"
    }

    /// The same as `description`.
    public var debugDescription: String { description }

    /// Nothing for `dump` to walk into.
    public var customMirror: Mirror { Mirror(self, children: [(label: "accessKeyID", value: accessKeyID)]) }
}

/// Where credentials come from.
///
/// The store asks before every attempt of every request, so a provider keeps what is costly to get and renews temporary
/// credentials ahead of their end.
public protocol CredentialsProvider: Sendable {
    /// The credentials to sign with now; nil to send requests unsigned (anonymous access).
    func credentials() async throws -> Credentials?

    /// The credentials to sign with after the store has refused `refused` as expired or unknown: others, where there are any.
    func credentials(insteadOf refused: Credentials) async throws -> Credentials?
}

extension CredentialsProvider {
    /// What ``credentials()`` gives.
    public func credentials(insteadOf refused: Credentials) async throws -> Credentials? { try await credentials() }
}

/// Credentials that never change.
public struct StaticCredentials: CredentialsProvider {
    private let fixed: Credentials?

    /// Always these; nil for anonymous access.
    public init(_ credentials: Credentials?) { fixed = credentials }

    /// The credentials given at the start.
    public func credentials() async throws -> Credentials? { fixed }
}
