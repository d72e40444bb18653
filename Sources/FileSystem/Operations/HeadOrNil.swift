package import ObjectStore

extension ObjectStore {
    /// HEAD, where 404 is an answer: nil. One request.
    package func headOrNil(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo? {
        do {
            return try await head(key)
        } catch  where error.kind == .notFound {
            return nil
        }
    }
}
