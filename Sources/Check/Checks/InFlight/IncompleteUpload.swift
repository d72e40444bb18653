internal import ObjectStore

/// Multipart uploads that were begun and neither completed nor aborted. Their parts are not seen and cost storage.
enum IncompleteUpload {
    static let info = CheckInfo(
        "incomplete-upload", .inFlight, .problem, .asked,
        one: "upload that was begun and not ended", many: "uploads that were begun and not ended",
        explanation:
            "The parts of such an upload take room and are not seen. The program that began it has died, or is still at work: S3 does not tell "
            + "whose it is.",
        mending:
            "-y aborts it. First see to it that no program still uploads to that key. A lifecycle rule of the bucket does it for good."
    )

    /// An upload whose beginning the store does not tell counts as young.
    static func see(_ upload: MultipartUpload, _ scope: CheckScope) -> Finding? {
        guard let initiated = upload.initiated, !scope.mayBeAtWork(initiated) else { return nil }
        return Finding(info, upload.key, scope.age(initiated), repair: .abortUpload(upload))
    }
}
