internal import FileSystem
internal import ObjectStore

/// A mode whose type bits contradict the key.
struct TypeContradictsKey: HeaderCheck {
    static let info = CheckInfo(
        "type-contradicts-key", .metadata, .problem, .asked,
        one: "directory marker that says it is a file", many: "directory markers that say they are files",
        explanation:
            "The key ends in \"/\", so it is a directory, but its mode has another type's bits. Mounts show a directory; other tools may not.",
        mending:
            "-y writes what mounts show now, and keeps the old value as x-amz-meta-pail-was-….")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        MendedMetadata.findings(
            info, object, .contradictsKey,
            names: [
                AttributeNames.mode, AttributeNames.modeOfS3Sync, AttributeNames.modeOfGoogle,
            ])
    }
}
