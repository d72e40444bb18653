/// How a bucket is reached: everything an ``S3Store`` is told but the credentials.
public struct S3Configuration: Sendable {
    /// How the bucket's name gets into the URL.
    ///
    /// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>.
    public enum AddressingStyle: String, Sendable, CaseIterable {
        /// `https://host/bucket/key`: what any server takes.
        case path
        /// `https://bucket.host/key`: what AWS wants.
        case virtualHost
    }

    /// Which listing operation is used.
    public enum ListingVersion: Int, Sendable, CaseIterable {
        /// `ListObjects`, for servers that do not know the second version.
        case v1 = 1
        /// `ListObjectsV2`.
        case v2 = 2
    }

    /// What becomes of an object's access control list when the object is copied.
    public enum ObjectACLs: String, Sendable, CaseIterable {
        /// It is put on the copy: one request more for a copy, where the bucket has such lists.
        case keep
        /// The copy has the default one.
        case ignore
    }

    /// The checksum that is sent with uploaded content, for the store to compare.
    public enum ChecksumMode: String, Sendable, CaseIterable {
        /// `x-amz-checksum-crc32c`: several GB/s. Where the store refuses the header, `Content-MD5` takes its place, with one log
        /// line.
        case crc32c
        /// `Content-MD5`: about 0.6 GB/s.
        case md5
        /// None: TCP's and TLS's own checks only.
        case none
    }

    /// What becomes of a request that finds no store to the end of its deadline.
    public enum OutagePolicy: String, Sendable, CaseIterable {
        /// It fails.
        case fail
        /// It is tried again until the store answers or its task is cancelled.
        case wait
    }

    /// `scheme://host[:port][/base]`, scheme `http` or `https`.
    public var endpoint: String
    /// The region that requests are signed for: `us-east-1`. The store corrects a wrong one when the server names the right one.
    public var region: String
    /// The bucket's name.
    public var bucket: String
    /// How the bucket's name gets into the URL.
    public var addressing: AddressingStyle
    /// Which listing operation is used.
    public var listingVersion: ListingVersion = .v2

    /// The most connections at once: 1 to 1,024. Requests beyond them wait in line.
    public var maxConnections = 128
    /// What the large buffers of all transfers together may take, in bytes: at least 256 KiB. Transfers beyond them have small buffers.
    public var bufferMemory = 32 << 20
    /// The longest wait for a connection to be made, TLS included.
    public var connectTimeout: Duration = .seconds(10)
    /// A transfer that moves no byte for so long is ended (and tried again).
    public var stallLimit: Duration = .seconds(30)
    /// The longest that one attempt of a request without much of a body may take.
    public var attemptTimeout: Duration = .seconds(20)
    /// The longest that a request may take in all, retries and the wait in line included; more for long bodies, see `minimumThroughput`.
    public var requestDeadline: Duration = .seconds(60)
    /// The longest that a server-side copy or the completion of a multipart upload may take in all.
    public var copyDeadline: Duration = .seconds(600)
    /// Bytes a second (at least 1): a body adds its length divided by this to the deadline.
    public var minimumThroughput: Int64 = 64 << 10
    /// Bytes a second (at least 1) that a store copies at least: an attempt at a copy may take `attemptTimeout` and its length divided by this.
    public var minimumCopyThroughput: Int64 = 1 << 20
    /// The most attempts for one request, the first included.
    public var maxAttempts = 20
    /// The first wait before a retry; it doubles each time, and a random part of it is waited.
    public var retryBaseDelay: Duration = .milliseconds(100)
    /// The longest wait before a retry, unless the server's `Retry-After` asks for more.
    public var retryMaxDelay: Duration = .seconds(10)

    /// What becomes of a request that finds no store to the end of its deadline.
    public var onOutage = OutagePolicy.fail

    /// The checksum sent with uploaded content.
    public var checksum: ChecksumMode = .crc32c
    /// Whether the signature covers the content's SHA-256, which costs 3 s a GiB without hardware help. Otherwise `UNSIGNED-PAYLOAD`.
    public var signPayload = false
    /// `User-Agent`.
    public var userAgent = "pail"
    /// A file of CA certificates in PEM to trust instead of the system's.
    public var caFile: String?
    /// Whether the server's certificate and its name are checked.
    public var verifyTLS = true
    /// How connections are made.
    public var transport = TransportOptions()

    /// Sends `x-amz-request-payer: requester`.
    public var requesterPays = false
    /// `x-amz-storage-class` for new objects that name none themselves.
    public var storageClass: String?
    /// `x-amz-acl` for new objects: `bucket-owner-full-control`.
    public var acl: String?
    /// Whether the copy of an object gets the access control list of its source; not where `acl` is set.
    public var objectACLs = ObjectACLs.ignore
    /// `x-amz-server-side-encryption` for new objects: `AES256` or `aws:kms`.
    public var serverSideEncryption: String?
    /// `x-amz-server-side-encryption-aws-kms-key-id` for new objects.
    public var kmsKeyID: String?
    /// Keys of one's own that objects are encrypted by (SSE-C). The store must be reached by https: they go over the wire.
    public var customerKeys: [CustomerKey] = []
    /// Whether new objects are encrypted by the first of them; else they are for reading what is there.
    public var encryptsByCustomerKey = false
    /// Headers added to every request, and signed with it.
    public var extraHeaders: [(name: String, value: String)] = []

    /// Told of each attempt after its end, on the request's own task: it must not wait for long. Nil for nobody.
    public var onRequest: (@Sendable (RequestRecord) -> Void)?

    /// A bucket at an endpoint, all else at its default.
    public init(endpoint: String, region: String, bucket: String, addressing: AddressingStyle) {
        self.endpoint = endpoint
        self.region = region
        self.bucket = bucket
        self.addressing = addressing
    }
}
