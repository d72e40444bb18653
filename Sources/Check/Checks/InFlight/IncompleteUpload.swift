internal import ObjectStore
internal import S3

/// Multipart uploads that were begun and neither completed nor aborted. Their parts are not seen and cost storage.
enum IncompleteUpload {
    static let info = CheckInfo(
        "incomplete-upload", .inFlight, .problem, .asked,
        one: "upload that was begun and not ended", many: "uploads that were begun and not ended",
        explanation:
            "The parts of such an upload take room and are not seen. The program that began it has died, or still means to go on: S3 does not tell "
            + "whose it is. No mount of this machine knows it, and no part has come lately.",
        mending:
            "-y aborts it. First see to it that no program still uploads to that key. A lifecycle rule of the bucket does it for good."
    )

    /// From the listing alone. An upload whose beginning the store does not tell counts as young.
    static func see(_ upload: MultipartUpload, _ scope: CheckScope) -> Finding? {
        guard let initiated = upload.initiated, !scope.mayBeAtWork(initiated) else { return nil }
        return Finding(info, upload.key, scope.age(initiated), repair: .abortUpload(upload))
    }

    /// The same with what has come of it so far; nil where it is gone, or parts still come.
    static func see(_ finding: Finding, _ progress: UploadProgress?, _ scope: CheckScope) -> Finding? {
        guard let progress else { return nil }
        if let newest = progress.newest, scope.mayBeAtWork(newest) { return nil }
        var finding = finding
        let parts = progress.parts == 1 ? "1 part" : "\(progress.parts) parts"
        finding.detail = "\(parts), \(progress.bytes) bytes, \(finding.detail)"
        return finding
    }
}
