/// What a store can do and what it keeps to. Pail's promises name the ones they rest on.
public struct StoreFeatures: Sendable, Equatable {
    /// PUT honours `If-Match` and `If-None-Match: *`.
    public var conditionalWrites = true
    /// CompleteMultipartUpload honours `If-Match` and `If-None-Match: *`.
    public var conditionalCompletions = true
    /// DELETE honours `If-Match`.
    public var conditionalDeletes = true
    /// GET honours `If-Match`.
    public var conditionalReads = true
    /// CopyObject and UploadPartCopy honour `x-amz-copy-source-if-match`.
    public var conditionalCopies = true
    /// CopyObject honours `If-Match` and `If-None-Match: *` for its destination.
    public var conditionalCopyTargets = true
    /// An object can be copied onto itself with other metadata.
    public var selfCopies = true
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

    /// A probe is under way: what is said above of conditions may turn out to be wrong. Until it ends, conditions are both
    /// looked at and sent.
    public var isProbing = false

    /// Features of S3 itself.
    public init() {}
}
