internal import FileSystem
internal import ObjectStore

/// `d` with a directory's content type or mode, as s3fs before 1.63 and s3sync stored directories.
struct PlainDirectory: HeaderCheck {
    static let info = CheckInfo(
        "plain-directory", .metadata, .note, .never,
        one: "directory in an old form", many: "directories in an old form",
        explanation:
            "An object without \"/\" at the end of its key is a directory by its headers: s3fs before 1.63 and s3sync stored them so. Mounts show the "
            + "directory.",
        mending: "Nothing has to be done; a change of its attributes stores it in the usual form.")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        guard object.attributes.type == .directory, !object.entry.isMarker, object.info.size == 0,
            DirectoryForm(key: object.key, size: object.info.size) == nil
        else { return [] }
        return [Finding(info, object.key)]
    }
}
