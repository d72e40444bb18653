public import ObjectStore

extension S3Store {
    /// HeadObject: one request. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
    public func head(_ key: ObjectKey) async throws(StoreError) -> ObjectInfo {
        try await perform {
            S3Request(.headObject, .head, key: key)
        } read: { response throws(XMLReader.Failure) in
            guard let size = response.headers.integer("content-length") else {
                throw XMLReader.Failure(description: "the answer has no Content-Length")
            }
            guard let info = ObjectHeaders.info(response.headers, size: size) else {
                throw XMLReader.Failure(description: "the answer has no proper Last-Modified")
            }
            return info
        }
    }
}
