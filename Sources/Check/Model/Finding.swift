public import ObjectStore

/// One thing that a check has found.
public struct Finding: Sendable {
    /// The check.
    public var check: CheckInfo
    /// What it is about: a key as the bucket has it; empty for the bucket as a whole.
    public var key: ObjectKey
    /// What is wrong there, where the check's title does not say it all.
    public var detail: String
    /// How to mend it; nil where nobody but a person can.
    public var repair: Repair?
    /// What to ask the store before it counts: nil for what the listing or the headers prove.
    var confirmation: Confirmation?
    /// When it came to be, where the check goes by that.
    var time: Timestamp?

    init(
        _ check: CheckInfo, _ key: ObjectKey, _ detail: String = "", repair: Repair? = nil,
        confirmation: Confirmation? = nil, time: Timestamp? = nil
    ) {
        self.time = time
        self.check = check
        self.key = key
        self.detail = detail
        self.repair = repair
        self.confirmation = confirmation
    }
}

/// What a finding of the listing rests on that the listing does not tell, or that may have changed while it was read.
enum Confirmation: Sendable, Hashable {
    /// The object still is this version and no directory by its headers, and something still lies below its name: one HEAD,
    /// one LIST of two keys.
    case hidesWhatIsBelow(etag: ETag?)
    /// The key cannot be asked for, so its bytes are other ones than those that the listing could tell: one HEAD.
    case cannotBeAsked
    /// The object still is this version: one HEAD.
    case isUnchanged(etag: ETag?)
}

/// What mends a finding. Each is done whole or not at all, under conditions that keep what somebody else stores meanwhile, and
/// none takes a content away that does not stand elsewhere.
public enum Repair: Sendable, Equatable {
    /// Copies the object to `lost+found/`, looks whether the copy is whole, and deletes it here.
    case moveToLostAndFound(etag: ETag?)
    /// Copies a marker's content to `lost+found/` and puts an empty marker with the same headers in its place.
    case detachBody(etag: ETag?)
    /// Puts a marker for a directory that has none.
    case putMarker
    /// Deletes a marker that has no content.
    case deleteEmptyMarker(etag: ETag?)
    /// Replaces headers; the content stays.
    case replaceMetadata(etag: ETag?, ObjectMetadata)
    /// Aborts an upload that was neither completed nor aborted.
    case abortUpload(MultipartUpload)
    /// Deletes a copy, if the same content still stands under `original`.
    case deleteCopy(etag: ETag?, original: ObjectKey)
    /// Deletes what Pail itself has made up: objects of the probe.
    case deleteOwn(etag: ETag?)
}
