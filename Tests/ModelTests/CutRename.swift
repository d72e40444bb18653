import FileSystem
import ObjectStore
import ObjectStoreTesting
import SystemPackage

/// A rename that something has cut in two: what was copied is there under both names. Nothing may be lost by that.
struct CutRename {
    let before: ReferenceModel
    let from: String
    let to: String

    /// A file of the old tree that is under neither name; nil if none is.
    func lost(_ driver: FileSystemDriver) async -> String? {
        for (path, node) in before.nodes where path == from || path.hasPrefix(from + "/") {
            guard case .file(let bytes) = node.kind else { continue }
            var isThere = false
            for candidate in [path, to + path.dropFirst(from.count)] {
                var slots: [Int: HandleOperation.Slot] = [:]
                if await RandomOperation.read(candidate).perform(on: driver, &slots) == .bytes(bytes) { isThere = true }
            }
            if !isThere { return path }
        }
        return nil
    }

    /// Brings the tree to what it is after the rename, through the bucket's own hands, as somebody would do who finds it so.
    /// All that is pending must be in the bucket.
    func finish(in bucket: InMemoryStore) async throws {
        for key in bucket.allKeys where key.string == from || key.hasPrefix(from + "/") {
            let target = ObjectKey(to + key.string.dropFirst(from.count))
            if bucket.info(of: target) == nil {
                _ = try await bucket.copy(CopyRequest(source: key, destination: target))
            }
            bucket.remove(key)
        }
    }
}
