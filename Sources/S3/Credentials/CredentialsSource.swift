/// How to get credentials, as files and environment say it: a plan that nobody has carried out yet.
///
/// A pure value: two plans that are equal lead to the same credentials, so that a file that is read again changes nothing
/// where it says the same. ``CredentialsFetcher`` carries it out.
indirect enum CredentialsSource: Sendable, Equatable {
    /// Keys that are there already.
    case keys(Credentials)
    /// A role of AWS's Security Token Service, taken with other credentials.
    case role(AssumedRole, with: CredentialsSource)
    /// A role that a token in a file stands for (IRSA of EKS, OpenID Connect).
    case webIdentity(WebIdentity)
    /// What a person has logged in to by `aws sso login`.
    case singleSignOn(SingleSignOn)
    /// What a program prints.
    case process(command: String)
    /// The service inside an ECS task or an EKS pod.
    case container(ContainerEndpoint)
    /// The service inside an EC2 instance.
    case instance(InstanceMetadata)

    /// The keys, where nothing has to be asked for.
    var keys: Credentials? {
        if case .keys(let credentials) = self { credentials } else { nil }
    }

    /// Files whose change is a reason to ask again.
    var watchedFiles: [String] {
        switch self {
        case .singleSignOn(let login): [login.cacheFile]
        case .role(_, let base): base.watchedFiles
        case .keys, .webIdentity, .process, .container, .instance: []
        }
    }
}

/// What AssumeRole is asked for.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>.
struct AssumedRole: Sendable, Equatable {
    var arn: String
    var sessionName: String
    var externalID: String?
    /// Seconds: 900 to 43,200; nil for the service's own hour.
    var duration: Int?
    /// Where the Security Token Service is.
    var endpoint: EndpointURL
    /// The region that the request is signed for.
    var region: String
}

/// What AssumeRoleWithWebIdentity is asked for.
struct WebIdentity: Sendable, Equatable {
    var arn: String
    var sessionName: String
    /// Read anew each time: whoever gives it replaces it before it ends.
    var tokenFile: String
    var duration: Int?
    var endpoint: EndpointURL
}

/// A login by AWS's IAM Identity Center.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html>.
struct SingleSignOn: Sendable, Equatable {
    /// The profile, for the advice to log in again.
    var profile: String
    /// Where `aws sso login` has left its token.
    var cacheFile: String
    var account: String
    var role: String
    /// Where the portal is.
    var endpoint: EndpointURL
}
