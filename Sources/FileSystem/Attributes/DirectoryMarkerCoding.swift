package import ObjectStore

/// How the markers of directories carry their metadata on a store.
package enum DirectoryMarkerForm: Sendable, Hashable {
    /// As user metadata, s3fs's form.
    case userMetadata
    /// As a parameter of the content type, on stores that drop user metadata of keys ending in `/` but keep that
    /// (SeaweedFS). s3fs and others cut parameters off before they compare.
    case contentTypeParameter
}

/// Puts a directory's metadata into a parameter of its content type, and takes it out again:
/// `application/x-directory; pail="mode=16877&uid=0&mtime=1577934245.500000000"`, names and values percent-encoded.
package enum DirectoryMarkerCoding {
    private static let opening = "; pail=\""

    /// The marker's metadata in the given form.
    package static func encode(_ metadata: ObjectMetadata, form: DirectoryMarkerForm) -> ObjectMetadata {
        var metadata = metadata
        let plain = metadata.contentType.map { type in String(type.prefix { $0 != ";" }) }
        metadata.contentType = plain ?? DirectoryForm.contentType
        guard form == .contentTypeParameter, !metadata.user.isEmpty else { return metadata }
        let pairs = metadata.user.sorted { $0.key < $1.key }
            .map { PathPercentCoding.encode(Array($0.key.utf8)) + "=" + PathPercentCoding.encode(Array($0.value.utf8)) }
        metadata.contentType! += opening + pairs.joined(separator: "&") + "\""
        return metadata
    }

    /// The metadata that a marker's headers tell, in whichever form: the user metadata, and what the parameter adds.
    package static func decode(_ metadata: ObjectMetadata) -> ObjectMetadata {
        guard let type = metadata.contentType, let start = type.utf8.firstRange(of: opening.utf8), type.hasSuffix("\"")
        else { return metadata }
        var metadata = metadata
        let list = type.utf8[start.upperBound...].dropLast()
        for pair in list.split(separator: UInt8(ascii: "&")) {
            let halves = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, let name = text(halves[0]), let value = text(halves[1]) else { continue }
            if metadata.user[name] == nil { metadata.user[name] = value }
        }
        metadata.contentType = String(type.utf8[..<start.lowerBound])
        return metadata
    }

    private static func text(_ encoded: Substring.UTF8View) -> String? {
        String(encoded).flatMap { PathPercentCoding.decode($0) }.flatMap { String(validating: $0, as: UTF8.self) }
    }
}
