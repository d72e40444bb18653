internal import ObjectStore

/// A bucket without a rule that aborts uploads which nobody ends.
enum UploadLifecycle {
    static let info = CheckInfo(
        "no-upload-lifecycle", .store, .note, .never,
        one: "bucket in which uploads that nobody ends stay for ever",
        many: "buckets in which uploads that nobody ends stay for ever",
        explanation:
            "The parts of an upload whose program died take room and are not seen. No lifecycle rule of the bucket aborts such uploads.",
        mending: "Give the bucket a rule with AbortIncompleteMultipartUpload, of 7 days for example.")

    /// - Parameter days: of the rule; nil where there is none.
    static func see(_ days: String?) -> Finding? { days == nil ? Finding(info, "") : nil }
}
