/// One page of a listing to ask for.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
public struct ListRequest: Sendable, Equatable {
    /// Only keys that begin so; empty for all.
    public var prefix: String
    /// `/` folds what lies deeper into common prefixes; nil lists every key below `prefix`.
    public var delimiter: String?
    /// Only keys after this one, itself excluded; used for a first page only.
    public var startAfter: String?
    /// Where the page before ended: its `next`. Takes the place of `startAfter`.
    public var continuation: ListContinuation?
    /// At most this many keys and prefixes: 1 to 1,000.
    public var limit: Int

    /// A page to ask for.
    public init(
        prefix: String, delimiter: String? = nil, startAfter: String? = nil, continuation: ListContinuation? = nil,
        limit: Int = 1000
    ) {
        self.prefix = prefix
        self.delimiter = delimiter
        self.startAfter = startAfter
        self.continuation = continuation
        self.limit = limit
    }
}

/// Where a listing goes on: opaque to all but the store that gave it.
public struct ListContinuation: Sendable, Hashable {
    /// The store's own mark.
    public let token: String

    /// A mark as the store gave it.
    public init(token: String) { self.token = token }
}

/// One page of a listing, its keys and prefixes each in byte order.
public struct ListPage: Sendable, Equatable {
    /// The objects of the page.
    public var objects: [ListedObject]
    /// The folded prefixes of the page, each with its delimiter at the end.
    public var commonPrefixes: [String]
    /// Where the next page begins; nil on the last one.
    public var next: ListContinuation?

    /// A page of the given parts.
    public init(objects: [ListedObject] = [], commonPrefixes: [String] = [], next: ListContinuation? = nil) {
        self.objects = objects
        self.commonPrefixes = commonPrefixes
        self.next = next
    }
}

/// What a listing tells of one object.
public struct ListedObject: Sendable, Equatable {
    /// The object's key.
    public var key: ObjectKey
    /// Its size in bytes.
    public var size: Int64
    /// Its content's identity; nil where the store gives none.
    public var etag: ETag?
    /// When it was stored.
    public var lastModified: Timestamp
    /// Its storage class; nil where the store does not say.
    public var storageClass: String?

    /// An entry of a listing.
    public init(key: ObjectKey, size: Int64, etag: ETag?, lastModified: Timestamp, storageClass: String? = nil) {
        self.key = key
        self.size = size
        self.etag = etag
        self.lastModified = lastModified
        self.storageClass = storageClass
    }
}
