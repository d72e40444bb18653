public import ObjectStore

extension S3Store {
    /// DeleteObject: one request. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>
    ///
    /// - Parameter precondition: `.absent` has no meaning here and throws `invalidRequest`. A key that is gone does not match.
    public func delete(_ key: ObjectKey, if precondition: Precondition) async throws(StoreError) {
        if precondition == .absent {
            throw StoreError(
                .invalidRequest, operation: S3Operation.deleteObject.rawValue, key: key,
                message: "only what is there can be deleted")
        }
        do {
            try await perform {
                var request = S3Request(.deleteObject, .delete, key: key)
                request.setPrecondition(precondition)
                return request
            } read: { _ in
            }
        } catch {
            guard error.kind == .notFound else { throw error }
            if precondition != .none {
                var error = error
                error.kind = .preconditionFailed
                throw error
            }
        }
    }
}
