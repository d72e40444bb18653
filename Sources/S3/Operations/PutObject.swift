public import ObjectStore

extension S3Store {
    /// PutObject: one request, and one more pass over the body for its checksum.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
    public func put(
        _ key: ObjectKey, body: any RequestBody, metadata: ObjectMetadata, if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        var sums: ContentChecksum?
        return try await perform { () throws(StoreError) in
            var request = S3Request(.putObject, .put, key: key)
            ObjectHeaders.append(metadata, configuration, to: &request)
            request.setPrecondition(precondition)
            try setBody(body, of: &request, sums: &sums)
            return request
        } read: { response in
            storedObject(response, etag: response.headers.value("etag"))
        }
    }

    /// Gives a request its body, with the checksums that the configuration wants; `sums` keeps them for the next attempt.
    func setBody(_ body: any RequestBody, of request: inout S3Request, sums: inout ContentChecksum?)
        throws(StoreError)
    {
        let known: ContentChecksum
        let wantsMD5 = sendsMD5
        if let sums, !wantsMD5 || sums.md5 != nil {
            known = sums
        } else {
            do {
                known = try ContentChecksum(
                    of: body, crc32c: sendsCRC32C, md5: wantsMD5,
                    sha256: configuration.signPayload)
            } catch {
                throw StoreError(
                    .bodyUnreadable, operation: request.operation.rawValue, key: request.key, message: "\(error)")
            }
            sums = known
        }
        request.body = body
        request.pace = .transfer(body.length)
        request.payloadHash = known.sha256
        request.setHeader("content-md5", known.md5)
        if sendsCRC32C { request.setHeader("x-amz-checksum-crc32c", known.crc32c) }
    }

    /// What the headers of an answer say of the object just stored.
    func storedObject(_ response: HTTPResponse, etag: String?, date: Timestamp? = nil) -> StoredObject {
        let version = response.headers.value("x-amz-version-id")
        return StoredObject(
            etag: etag.flatMap { $0.isEmpty ? nil : ETag($0) }, versionID: version == "null" ? nil : version,
            date: date ?? response.headers.value("date").flatMap(DateFormats.parseHTTP))
    }
}
