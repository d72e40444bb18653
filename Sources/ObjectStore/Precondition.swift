/// What must hold of a key for a mutation to take effect.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>. A store may ignore conditions:
/// ``StoreFeatures`` tells.
public enum Precondition: Sendable, Hashable {
    /// Nothing: the last writer wins.
    case none
    /// Nothing as well, and never sent: the caller knows of no object there. A store that uploads later may forget such an
    /// object without a request when it is deleted before its upload.
    case presumedAbsent
    /// The key holds this content (`If-Match`).
    case matches(ETag)
    /// The key holds no object (`If-None-Match: *`).
    case absent
}
