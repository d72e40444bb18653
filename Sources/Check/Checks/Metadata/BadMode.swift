internal import FileSystem
internal import ObjectStore

/// A mode that is no number, or one of no type of file.
struct BadMode: UnreadableValue {
    static let info = unreadable(
        "bad-mode",
        one: "object whose mode cannot be read", many: "objects whose mode cannot be read",
        explanation:
            "The mode is a decimal number in x-amz-meta-mode (or another tool's name for it). What is none counts as absent: mounts show default permissions."
    )

    static let names: Set<String> = [
        AttributeNames.mode, AttributeNames.modeOfS3Sync, AttributeNames.modeOfGoogle,
    ]
}
