internal import FileSystem
internal import ObjectStore

/// Content under an object that is a directory or a special file by its headers: no program on a mount can read it.
struct HiddenBody: HeaderCheck {
    static let info = CheckInfo(
        "hidden-body", .metadata, .problem, .asked,
        one: "object with content that is no file by its headers",
        many: "objects with content that are no files by their headers",
        explanation:
            "By its mode or content type it is a directory, a pipe, a socket or a device, which have no content in a bucket. So no program on a mount can "
            + "read the content.",
        mending: "-y moves it to lost+found/ as an ordinary file.")

    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        guard object.info.size > 0, !object.entry.isMarker else { return [] }
        let kind: String
        switch object.attributes.type {
        case .regular, .symbolicLink: return []
        case .directory: kind = "a directory"
        case .fifo: kind = "a pipe"
        case .socket: kind = "a socket"
        case .characterDevice, .blockDevice: kind = "a device"
        }
        return [
            Finding(
                info, object.key, "\(kind), \(object.info.size) bytes",
                repair: .moveToLostAndFound(etag: object.info.etag))
        ]
    }
}
