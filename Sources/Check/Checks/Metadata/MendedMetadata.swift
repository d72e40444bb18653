internal import FileSystem
internal import ObjectStore

/// The headers of an object with all that cannot be read taken out of them: what every mount shows anyway, made readable.
///
/// A value that is taken out is kept under another name, `x-amz-meta-pail-was-mtime`, for whoever knows what it meant.
enum MendedMetadata {
    /// What a taken out value is kept under, before its own name.
    static let keptPrefix = "pail-was-"

    /// The repair of all the metadata's problems at once; nil where the result would not fit into the headers.
    static func repair(_ object: HeadedObject) -> Repair? {
        var metadata = object.metadata
        for problem in object.attributes.problems {
            metadata.user[keptPrefix + problem.name] = problem.value
            metadata.user[problem.name] = replacement(for: problem, object)
        }
        let size = metadata.user.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        // A header holds printable ASCII; what is none came encoded and may not go back.
        let isPlain = metadata.user.values.allSatisfy { $0.utf8.allSatisfy { (0x20..<0x7F).contains($0) } }
        guard size <= MetadataTooLarge.limit, isPlain else { return nil }
        if object.entry.isMarker {
            let isParameter = object.info.metadata.user.isEmpty && !object.metadata.user.isEmpty
            metadata = DirectoryMarkerCoding.encode(metadata, form: isParameter ? .contentTypeParameter : .userMetadata)
        }
        return .replaceMetadata(etag: object.info.etag, metadata)
    }

    /// What is shown now, written well; nil where nothing has to be written for it.
    private static func replacement(for problem: StoredAttributes.Problem, _ object: HeadedObject) -> String? {
        if problem.name == AttributeNames.mode, problem.reason == .contradictsKey {
            return String(object.attributes.mode)
        }
        // The fallback is the time of storing, which the repair would move.
        if problem.name == AttributeNames.modificationTime, !object.attributes.stored.contains(.modificationTime) {
            return String(object.info.lastModified.seconds)
        }
        return nil
    }

    /// The findings for the problems of some names.
    static func findings(
        _ check: CheckInfo, _ object: HeadedObject, _ reason: StoredAttributes.Problem.Reason, names: Set<String>
    ) -> [Finding] {
        object.attributes.problems.filter { $0.reason == reason && names.contains($0.name) }.map { problem in
            Finding(check, object.key, "\(problem.name): \"\(problem.value.prefix(60))\"", repair: repair(object))
        }
    }
}
