internal import FileSystem
internal import ObjectStore

/// A time that is no number.
struct BadTime: UnreadableValue {
    static let info = unreadable(
        "bad-time",
        one: "object with a time that cannot be read", many: "objects with times that cannot be read",
        explanation:
            "Times are seconds since 1970 in x-amz-meta-mtime, -ctime and -atime. What is none counts as absent: mounts show when the object was stored."
    )

    static let names: Set<String> = [
        AttributeNames.modificationTime, AttributeNames.changeTime, AttributeNames.accessTime,
        AttributeNames.modificationTimeOfGoogle,
    ]
}
