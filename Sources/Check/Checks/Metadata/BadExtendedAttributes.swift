internal import FileSystem
internal import ObjectStore

/// Extended attributes that are not in s3fs's form.
struct BadExtendedAttributes: HeaderCheck {
    static let info = CheckInfo(
        "bad-xattr", .metadata, .problem, .asked,
        one: "object whose extended attributes cannot be read",
        many: "objects whose extended attributes cannot be read",
        explanation:
            "x-amz-meta-xattr holds a percent-encoded JSON object of base64 values. What is none gives EIO to programs that ask for extended attributes.",
        mending:
            "-y writes what mounts show now, and keeps the old value as x-amz-meta-pail-was-….")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        MendedMetadata.findings(
            info, object, .malformed,
            names: [
                AttributeNames.extendedAttributes
            ])
    }
}
