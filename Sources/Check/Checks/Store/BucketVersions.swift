internal import ObjectStore

/// A bucket that keeps the versions of what is replaced and deleted.
enum BucketVersions {
    static let info = CheckInfo(
        "bucket-versions", .store, .note, .never,
        one: "bucket that keeps versions", many: "buckets that keep versions",
        explanation:
            "What is replaced or deleted stays as an older version, and costs storage, until a lifecycle rule takes it. It can be had back, too.",
        mending: "Nothing has to be done. A lifecycle rule for noncurrent versions bounds the cost.")

    /// - Parameter status: `Enabled`, `Suspended` or nil.
    static func see(_ status: String?) -> Finding? {
        status.map { Finding(info, "", "versioning is \($0.lowercased())") }
    }
}
