public import Logging
public import ObjectStore
public import S3

/// What a check shall do.
public struct CheckOptions: Sendable {
    /// What may be mended.
    public enum Mending: String, Sendable, Codable {
        /// Nothing: the default.
        case nothing
        /// What can take nothing from anybody.
        case preen
        /// Everything that has a repair.
        case all
    }

    /// What all keys begin with: empty, or ending in `/`.
    public var prefix = ""
    /// Whether each object's headers are asked for: one HEAD each.
    public var readsHeaders = true
    /// Whether each object is read whole.
    public var verifiesData = false
    /// What may be mended.
    public var mending = Mending.nothing
    /// HEADs at once: 1 to 1,024.
    public var parallel = 96
    /// What is younger than so many seconds may be somebody's work under way: it is neither reported nor mended.
    public var minimumAge: Int64 = 86400
    /// The most requests; nil for no limit.
    public var maximumRequests: Int?
    /// Whether what a live mount of this machine may own is mended as well.
    public var isForced = false
    /// What live mounts of this machine own in the bucket at the moment.
    public var ownedWork: @Sendable () async -> OwnedWork = { OwnedWork() }
    /// What has come of an upload so far, nil where it is gone: ListParts. Without it the listing of uploads has to do.
    public var uploadProgress: (@Sendable (MultipartUpload) async throws(StoreError) -> UploadProgress?)?
    /// What mounts keep on this machine.
    public var localState = LocalStateOptions()
    /// Where the recovery of local state tells what it does.
    public var logger = Logger(label: "pail.check")
    /// What the store honours, where a probe has found it out; nil where that is not known.
    public var features: StoreFeatures?
    /// What the bucket is set to, where the store tells it.
    public var settings: BucketSettings?
    /// Requests made before the check, to be counted with its own.
    public var requestsBefore = 0
    /// The time in seconds of Unix time.
    public var now: Int64 = 0
    /// Where the position is kept; nil keeps none.
    public var positionFile: String?
    /// Whether to go on where an earlier run ended.
    public var resumes = false
    /// What the position file belongs to: the store's name and the prefix.
    public var source = ""

    /// A check of a whole bucket that changes nothing.
    public init() {}
}

/// A step of a check, for its progress.
public enum CheckPhase: Int, Sendable, Codable, Comparable, CaseIterable {
    /// All keys, and the uploads under way.
    case listing = 1
    /// A HEAD of each object.
    case headers
    /// A GET of each object.
    case data

    /// In the order in which they are done.
    public static func < (a: CheckPhase, b: CheckPhase) -> Bool { a.rawValue < b.rawValue }

    /// For a person.
    public var title: String {
        switch self {
        case .listing: "listing"
        case .headers: "headers"
        case .data: "contents"
        }
    }
}

/// What the rest of a check will cost, told once the listing is read.
public struct CostEstimate: Sendable, Equatable {
    /// LISTs.
    public var lists: Int
    /// HEADs.
    public var heads: Int
    /// GETs, and their bytes.
    public var gets: Int
    /// Bytes that will be read.
    public var bytes: Int64
    /// All requests.
    public var requests: Int { lists + heads + gets }
}

/// What a check tells, and asks, while it runs. Called from several tasks.
public struct CheckEvents: Sendable {
    /// So many of so many objects are done in this phase; nil where the number is not known.
    public var progress: @Sendable (CheckPhase, Int, Int?) -> Void = { _, _, _ in }
    /// Whether to go on at this cost.
    public var accepts: @Sendable (CostEstimate) async -> Bool = { _ in true }

    /// Says nothing and agrees to all.
    public init() {}
}

/// What a bucket is set to.
public struct BucketSettings: Sendable, Equatable {
    /// `Enabled`, `Suspended`, or nil where versions were never kept.
    public var versioning: String?
    /// The days after which uploads that nobody ends are aborted; nil for never.
    public var uploadDays: String?

    /// Settings as the store tells them.
    public init(versioning: String?, uploadDays: String?) {
        self.versioning = versioning
        self.uploadDays = uploadDays
    }
}
