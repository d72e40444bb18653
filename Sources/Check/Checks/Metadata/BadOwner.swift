internal import FileSystem
internal import ObjectStore

/// An owner or group that is no number, or too large a one.
struct BadOwner: UnreadableValue {
    static let info = unreadable(
        "bad-owner",
        one: "object whose owner cannot be read", many: "objects whose owner cannot be read",
        explanation:
            "Owner and group are numbers in x-amz-meta-uid and x-amz-meta-gid. What is none counts as absent: mounts show the user who mounts; s3fs shows root."
    )

    static let names: Set<String> = [
        AttributeNames.owner, AttributeNames.group, AttributeNames.ownerOfGoogle, AttributeNames.groupOfGoogle,
    ]
}
