import S3

/// Settings of a mount that no option of `pail mount` sets, only s3fs's command line (see ``S3FSOptionTable``).
///
/// The defaults are Pail's own.
struct FineSettings: Sendable, Equatable {
    // Credentials.
    /// The one service to ask for keys; nil for the usual places.
    var credentialsService: CredentialsSearch.Service?

    // New objects.
    /// The canned ACL: `bucket-owner-full-control`; nil for the store's own.
    var acl: String?
    /// `AES256` or `aws:kms`.
    var serverSideEncryption: String?
    /// The key for `aws:kms`; nil for the account's own.
    var kmsKeyID: String?
    /// A file with keys of one's own (SSE-C), the first one for new objects.
    var customerKeyFile: String?
    /// The keys themselves, where they were not in a file.
    var customerKeys: [CustomerKey] = []
    /// Whether new objects are encrypted by the first of them.
    var encryptsByCustomerKey = false
    /// Whether they may go over an unencrypted connection.
    var sendsCustomerKeysInClear = false
    /// The file in mime.types(5)'s form that tells content types.
    var contentTypesFile: String?

    // Requests.
    /// A transfer that moves no byte for so long is ended.
    var stallLimit: Duration?
    /// Attempts for one request in all.
    var maxAttempts: Int?
    /// Parts of one file on their way at once.
    var parallelParts: Int?
    /// `User-Agent`; empty for none.
    var userAgent: String?
    /// How connections are made.
    var transport = TransportOptions()
    /// The file with the proxy's user and password.
    var proxyCredentialsFile: String?

    // This machine's disk.
    /// Where the disk cache lies, if not in the state directory.
    var cacheDirectory: String?
    /// Whether the disk cache is removed when the mount ends.
    var dropsCache = false

    // What is seen.
    /// Permissions of the root directory where none are stored.
    var rootMode: UInt32?
    /// Whether extended attributes can be used.
    var hasExtendedAttributes = true
    /// Whether the store's 403 is shown as EPERM instead of EACCES.
    var showsDeniedAsNotPermitted = false
    /// The size that statfs(2) tells, in bytes.
    var capacity: Int64?
    /// Whether what is mounted below a prefix has to be there already.
    var requiresPrefix = false

    // The process.
    /// The name in syslog.
    var logIdentity = "pail"
    /// Whether the log of a mount in the foreground goes to standard output.
    var logsToStandardOutput = false
    /// Whether the lines of the log begin with the time.
    var logsTime = true
    /// A word that every line of the log carries.
    var instanceName: String?
    /// The file that SIGUSR1's report is appended to; nil for the log.
    var reportFile: String?
}
