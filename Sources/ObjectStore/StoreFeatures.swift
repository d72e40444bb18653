/// What a store can do and what it keeps to. Pail's promises name the ones they rest on.
public struct StoreFeatures: Sendable, Equatable {
    /// PUT and CompleteMultipartUpload honour `If-Match` and `If-None-Match: *`.
    public var conditionalWrites = true
    /// DELETE honours `If-Match`.
    public var conditionalDeletes = true
    /// GET honours `If-Match`.
    public var conditionalReads = true
    /// CopyObject honours `x-amz-copy-source-if-match`.
    public var conditionalCopies = true
    /// UploadPartCopy works.
    public var partCopies = true
    /// User metadata on keys that end in `/` is kept.
    public var directoryMetadata = true
    /// A part other than the last holds at least this many bytes.
    public var minimumPartSize: Int64 = 5 << 20
    /// A part holds at most this many bytes; a single PUT and a single copy too.
    public var maximumPartSize: Int64 = 5 << 30
    /// An upload has at most this many parts.
    public var maximumPartCount = 10_000
    /// An object holds at most this many bytes.
    public var maximumObjectSize: Int64 = 5 << 40

    /// Features of S3 itself.
    public init() {}
}
