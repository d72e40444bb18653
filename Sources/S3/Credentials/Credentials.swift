public import ObjectStore

/// An access key and its secret, as requests are signed with.
public struct Credentials: Sendable, Equatable, CustomStringConvertible {
    /// The access key's id.
    public var accessKeyID: String
    /// The secret.
    public var secretAccessKey: String
    /// The session's token, with temporary keys.
    public var sessionToken: String?
    /// When they end; nil for never.
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

    /// The key's id; never a secret.
    public var description: String { "access key \(accessKeyID)" }
}

/// Where credentials come from.
public protocol CredentialsProvider: Sendable {
    /// The credentials to sign with now; nil for anonymous requests.
    func credentials() async throws -> Credentials?
}

/// Credentials that never change.
public struct StaticCredentials: CredentialsProvider {
    private let fixed: Credentials?

    /// Always these; nil for anonymous requests.
    public init(_ credentials: Credentials?) { fixed = credentials }

    /// Those given.
    public func credentials() async throws -> Credentials? { fixed }
}

/// How to reach a bucket.
public struct S3Configuration: Sendable {
    /// Where the bucket's name stands in a URL.
    public enum AddressingStyle: Sendable, Equatable {
        /// `https://host/bucket/key`
        case path
        /// `https://bucket.host/key`
        case virtualHost
    }

    /// The store's URL.
    public var endpoint: String
    /// The region to sign for.
    public var region: String
    /// The bucket.
    public var bucket: String
    /// Where the bucket's name stands in a URL.
    public var addressing: AddressingStyle

    /// A configuration of the given parts.
    public init(endpoint: String, region: String, bucket: String, addressing: AddressingStyle) {
        self.endpoint = endpoint
        self.region = region
        self.bucket = bucket
        self.addressing = addressing
    }
}
