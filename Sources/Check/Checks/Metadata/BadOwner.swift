internal import FileSystem
internal import ObjectStore

/// An owner or group that is no number, or too large a one.
struct BadOwner: HeaderCheck {
    static let info = CheckInfo(
        "bad-owner", .metadata, .problem, .asked,
        one: "object whose owner cannot be read", many: "objects whose owner cannot be read",
        explanation:
            "Owner and group are numbers in x-amz-meta-uid and x-amz-meta-gid. What is none counts as absent: mounts show the user who mounts; s3fs shows root.",
        mending:
            "-y writes what mounts show now, and keeps the old value as x-amz-meta-pail-was-….")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        MendedMetadata.findings(
            info, object, .malformed,
            names: [
                AttributeNames.owner, AttributeNames.group, AttributeNames.ownerOfGoogle, AttributeNames.groupOfGoogle,
            ])
    }
}
