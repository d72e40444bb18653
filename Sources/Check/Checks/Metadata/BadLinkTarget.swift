internal import FileSystem
internal import ObjectStore
internal import SystemPackage

/// A symbolic link whose body is no target: empty, too long, with a zero byte in it.
struct BadLinkTarget: HeaderCheck {
    static let info = CheckInfo(
        "bad-link-target", .metadata, .problem, .asked,
        one: "symbolic link without a target that can be followed",
        many: "symbolic links without targets that can be followed",
        explanation:
            "The target is the object's content: 1 to 4,095 bytes without a zero byte. readlink(2) of this one fails.",
        mending:
            "-y moves it to lost+found/ as an ordinary file, so that its content can be seen. Then make the link again."
    )

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        guard object.attributes.type == .symbolicLink else { return [] }
        let reason: String
        if object.info.size == 0 {
            reason = "empty"
        } else if let body = object.link {
            let mark = SymbolicLinkBody.exactMark
            do throws(Errno) {
                _ = try SymbolicLinkBody.target(from: body, isExact: object.metadata.user[mark.name] == mark.value)
                return []
            } catch {
                reason = error == .fileNameTooLong ? "\(body.count) bytes" : "a zero byte in it, or only blanks"
            }
        } else if object.info.size > HeadedObject.linkLimit {
            reason = "\(object.info.size) bytes"
        } else {
            // Gone or replaced while it was looked at.
            return []
        }
        return [Finding(info, object.key, reason, repair: .moveToLostAndFound(etag: object.info.etag))]
    }
}
