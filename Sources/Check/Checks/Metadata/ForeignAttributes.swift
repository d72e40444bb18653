internal import FileSystem
internal import ObjectStore

/// Attributes under names that other tools use.
struct ForeignAttributes: HeaderCheck {
    static let info = CheckInfo(
        "foreign-attributes", .metadata, .note, .never,
        one: "object with another tool's attributes", many: "objects with other tools' attributes",
        explanation:
            "Mounts read those of s3sync and of Google's tools, and keep them true when attributes change. Others are kept as they are, and not looked at.",
        mending: "Nothing has to be done.")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        let user = object.metadata.user
        let tool: String
        if user.keys.contains(where: { $0.utf8.starts(with: "goog-reserved-".utf8) }) {
            tool = "Google's tools"
        } else if user[AttributeNames.modeOfS3Sync] != nil, user[AttributeNames.ownerOfS3Sync] != nil {
            tool = "s3sync"
        } else if user["gcsfuse_mtime"] != nil {
            tool = "gcsfuse"
        } else if user["s3cmd-attrs"] != nil {
            tool = "s3cmd"
        } else if user["md5chksum"] != nil {
            tool = "rclone (md5chksum)"
        } else {
            return []
        }
        return [Finding(info, object.key, tool)]
    }
}
