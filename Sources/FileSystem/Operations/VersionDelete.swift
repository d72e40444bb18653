internal import ObjectStore

/// Removes the object of a key only while it is the version that was copied elsewhere: what somebody else has stored under
/// the key since stays.
///
/// Requests: one DELETE under `If-Match` a version; where the store does not honour that, a HEAD just before it, which
/// leaves a round trip in which another's version is lost. One HEAD more where the condition fails, or where an answer got
/// lost: the store says alike that the key holds another version and that it holds none.
struct VersionDelete: Sendable {
    /// The bucket.
    let store: any ObjectStore

    /// Removes a version. False where the key holds another one, which stays.
    func delete(_ version: ObjectVersion) async throws(StoreError) -> Bool {
        guard let etag = version.etag, store.features.conditionalDeletes else {
            return try await deleteLooking(version)
        }
        do throws(StoreError) {
            try await store.delete(version.key, if: .matches(etag))
            return true
        } catch {
            if error.kind == .notFound { return true }
            guard error.kind == .preconditionFailed || error.isAmbiguous, error.kind != .cancelled else { throw error }
            guard let info = try await store.headOrNil(version.key) else { return true }
            // Still ours: the removal has failed, or somebody was storing at the same moment.
            if info.etag == etag { throw error }
            return false
        }
    }

    /// Removes versions, `parallel` of them at a time. Returns those whose keys hold others, which stay.
    func delete(_ versions: [ObjectVersion], parallel: Int) async throws -> [ObjectVersion] {
        try await withThrowingTaskGroup(of: ObjectVersion?.self) { group in
            var kept: [ObjectVersion] = []
            for (index, version) in versions.enumerated() {
                if index >= parallel, let other = try await group.next() ?? nil { kept.append(other) }
                group.addTask { try await delete(version) ? nil : version }
            }
            for try await other in group {
                if let other { kept.append(other) }
            }
            return kept
        }
    }

    private func deleteLooking(_ version: ObjectVersion) async throws(StoreError) -> Bool {
        guard let info = try await store.headOrNil(version.key) else { return true }
        if let etag = info.etag, let known = version.etag, etag != known { return false }
        guard info.size == version.size else { return false }
        try await store.delete(version.key, if: .none)
        return true
    }
}
