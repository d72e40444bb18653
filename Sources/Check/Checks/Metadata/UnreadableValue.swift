internal import FileSystem
internal import ObjectStore

/// A check of the headers of one attribute, whose value is a number: a finding for each that holds none.
protocol UnreadableValue: HeaderCheck {
    /// The headers that it looks at.
    static var names: Set<String> { get }
}

extension UnreadableValue {
    static func see(_ object: HeadedObject, _ scope: CheckScope) -> [Finding] {
        MendedMetadata.findings(info, object, .malformed, names: names)
    }

    /// What the check is: all three are mended in one way.
    static func unreadable(_ name: String, one: String, many: String, explanation: String) -> CheckInfo {
        CheckInfo(
            name, .metadata, .problem, .asked, one: one, many: many, explanation: explanation,
            mending: "-y writes what mounts show now, and keeps the old value as x-amz-meta-pail-was-….")
    }
}
