public import ObjectStore

extension S3Store {
    /// CopyObject: one request, no content passes this machine; what keeps the object's access control list comes on top, see
    /// ``ObjectAccessControl``. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
    public func copy(_ copy: CopyRequest) async throws(StoreError) -> StoredObject {
        try await keepingAccessControl(of: copy.source, at: copy.destination) { () async throws(StoreError) in
            try await copyObject(copy)
        }
    }

    private func copyObject(_ copy: CopyRequest) async throws(StoreError) -> StoredObject {
        try await perform {
            var request = S3Request(.copyObject, .put, key: copy.destination)
            request.copySource = copy.source
            request.setHeader("x-amz-copy-source", copySource(copy.source))
            request.setHeader("x-amz-copy-source-if-match", copy.sourceMatches?.quoted)
            request.setPrecondition(copy.precondition)
            switch copy.metadata {
            case .keep:
                request.setHeader("x-amz-metadata-directive", "COPY")
                ObjectHeaders.appendDefaults(storageClass: copy.storageClass, configuration, to: &request)
            case .replace(let metadata):
                request.setHeader("x-amz-metadata-directive", "REPLACE")
                ObjectHeaders.append(metadata, configuration, to: &request)
            }
            request.pace = .serverSide(copy.length)
            return request
        } read: { response throws(XMLReader.Failure) in
            let fields = try FlatDocument.read(response.body, root: "CopyObjectResult")
            return storedObject(
                response, etag: fields["ETag"], date: fields["LastModified"].flatMap(DateFormats.parseISO8601))
        }
    }

    /// The value of `x-amz-copy-source`: the bucket and the key, encoded as in a path.
    func copySource(_ key: ObjectKey) -> String {
        "/\(URIEncoding.encode(configuration.bucket, keepingSlash: false))/\(URIEncoding.encode(key.string, keepingSlash: true))"
    }
}
