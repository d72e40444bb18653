public import ObjectStore

/// What a bucket is set to do with what is deleted or never ended: for the consistency check.
///
/// moto (seen in 5.1) names the documents after the operation: `<GetBucketVersioningResponse>`.
extension S3Store {
    /// Attempts: nobody waits for a setting for long.
    private static let attempts = 3

    /// GetBucketVersioning: `Enabled` or `Suspended`; nil for a bucket that never kept versions. One request.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html>
    public func bucketVersioning() async throws(StoreError) -> String? {
        try await perform(maxAttempts: Self.attempts) {
            var request = S3Request(.getBucketVersioning, .get)
            request.query = [("versioning", nil)]
            return request
        } read: { response throws(XMLReader.Failure) in
            try FlatDocument.read(
                response.body, root: "VersioningConfiguration", or: "GetBucketVersioningResponse")["Status"]
        }
    }

    /// GetBucketLifecycleConfiguration: the days after which a rule aborts uploads that were not ended; nil where none does.
    /// One request. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html>
    public func daysUntilUploadsAreAborted() async throws(StoreError) -> String? {
        do throws(StoreError) {
            return try await perform(maxAttempts: Self.attempts) {
                var request = S3Request(.getBucketLifecycleConfiguration, .get)
                request.query = [("lifecycle", nil)]
                return request
            } read: { response throws(XMLReader.Failure) in
                try FlatDocument.read(
                    response.body, root: "LifecycleConfiguration", or: "GetBucketLifecycleConfigurationResponse"
                )["DaysAfterInitiation"]
            }
        } catch {
            // NoSuchLifecycleConfiguration.
            guard error.kind == .notFound else { throw error }
            return nil
        }
    }
}
