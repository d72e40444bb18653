internal import FileSystem
internal import ObjectStore

/// A time that is no number.
struct BadTime: HeaderCheck {
    static let info = CheckInfo(
        "bad-time", .metadata, .problem, .asked,
        one: "object with a time that cannot be read", many: "objects with times that cannot be read",
        explanation:
            "Times are seconds since 1970 in x-amz-meta-mtime, -ctime and -atime. What is none counts as absent: mounts show when the object was stored.",
        mending:
            "-y writes what mounts show now, and keeps the old value as x-amz-meta-pail-was-….")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        MendedMetadata.findings(
            info, object, .malformed,
            names: [
                AttributeNames.modificationTime, AttributeNames.changeTime, AttributeNames.accessTime,
                AttributeNames.modificationTimeOfGoogle,
            ])
    }
}
