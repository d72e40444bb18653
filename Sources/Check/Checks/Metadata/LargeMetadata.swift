internal import FileSystem
internal import ObjectStore

/// Metadata over S3's limit, on a store that takes more.
struct LargeMetadata: HeaderCheck {
    static let info = CheckInfo(
        "large-metadata", .metadata, .note, .never,
        one: "object with more metadata than S3 takes", many: "objects with more metadata than S3 takes",
        explanation:
            "S3 takes 2,048 bytes of names and values of user metadata; this store takes more. A change of the attributes through a mount fails with "
            + "ENOSPC, and a copy to another store may lose them.",
        mending: "Remove extended attributes, or what other tools have put there.")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        let size = object.metadata.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size > MetadataTooLarge.limit else { return [] }
        return [Finding(info, object.key, "\(size) bytes")]
    }
}
