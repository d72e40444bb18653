internal import FileSystem
internal import ObjectStore

/// A mode that is no number, or one of no type of file.
struct BadMode: HeaderCheck {
    static let info = CheckInfo(
        "bad-mode", .metadata, .problem, .asked,
        one: "object whose mode cannot be read", many: "objects whose mode cannot be read",
        explanation:
            "The mode is a decimal number in x-amz-meta-mode (or another tool's name for it). What is none counts as absent: mounts show default permissions.",
        mending:
            "-y writes what mounts show now, and keeps the old value as x-amz-meta-pail-was-….")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        MendedMetadata.findings(
            info, object, .malformed,
            names: [
                AttributeNames.mode, AttributeNames.modeOfS3Sync, AttributeNames.modeOfGoogle,
            ])
    }
}
