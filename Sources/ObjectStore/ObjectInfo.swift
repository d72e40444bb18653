/// What a store says of an object in the headers of a HEAD or GET.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>.
public struct ObjectInfo: Sendable, Equatable {
    /// The whole object's size in bytes, also when the answer carried a range of it.
    public var size: Int64
    /// The content's identity; nil where the store gives none.
    public var etag: ETag?
    /// When the object was stored, as the store tells it (whole seconds on most).
    public var lastModified: Timestamp
    /// All that a later copy must carry along.
    public var metadata: ObjectMetadata
    /// The version, in a versioned bucket.
    public var versionID: String?
    /// Whether it is encrypted with a key of KMS or of the caller's: then its ETag is no digest of its content.
    public var isEncryptedWithKey = false
    /// When the store answered, by its own clock and in whole seconds (`Date`); nil where it did not say.
    public var answered: Timestamp?

    /// An object's description.
    public init(
        size: Int64, etag: ETag?, lastModified: Timestamp, metadata: ObjectMetadata = ObjectMetadata(),
        versionID: String? = nil
    ) {
        self.size = size
        self.etag = etag
        self.lastModified = lastModified
        self.metadata = metadata
        self.versionID = versionID
    }
}

/// What is stored with an object beside its content: sent with a PUT, a multipart upload's start, or a copy that replaces.
public struct ObjectMetadata: Sendable, Equatable {
    /// `Content-Type`.
    public var contentType: String?
    /// `x-amz-meta-*`: names in lower case without that prefix. S3 takes 2 KB of names and values in all.
    public var user: [String: String]
    /// `Cache-Control`, kept for the object's other readers.
    public var cacheControl: String?
    /// `Content-Disposition`, likewise.
    public var contentDisposition: String?
    /// `Content-Encoding`, likewise.
    public var contentEncoding: String?
    /// `Content-Language`, likewise.
    public var contentLanguage: String?
    /// `Expires`, likewise, as the text that the store holds.
    public var expires: String?
    /// `x-amz-website-redirect-location`, likewise.
    public var websiteRedirectLocation: String?
    /// `x-amz-storage-class`; nil for the bucket's default.
    public var storageClass: String?

    /// Metadata of the given parts.
    public init(
        contentType: String? = nil, user: [String: String] = [:], cacheControl: String? = nil,
        contentDisposition: String? = nil, contentEncoding: String? = nil, contentLanguage: String? = nil,
        expires: String? = nil, websiteRedirectLocation: String? = nil, storageClass: String? = nil
    ) {
        self.contentType = contentType
        self.user = user
        self.cacheControl = cacheControl
        self.contentDisposition = contentDisposition
        self.contentEncoding = contentEncoding
        self.contentLanguage = contentLanguage
        self.expires = expires
        self.websiteRedirectLocation = websiteRedirectLocation
        self.storageClass = storageClass
    }
}
