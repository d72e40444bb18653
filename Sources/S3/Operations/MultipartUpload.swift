public import ObjectStore

extension S3Store {
    /// CreateMultipartUpload: one request. Where an attempt gets no answer, the next may leave an upload behind that nobody
    /// knows of. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
    public func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try await perform {
            var request = S3Request(.createMultipartUpload, .post, key: key)
            request.query = [("uploads", nil)]
            ObjectHeaders.append(metadata, configuration, to: &request)
            if sendsCRC32C { request.setHeader("x-amz-checksum-algorithm", "CRC32C") }
            return request
        } read: { response throws(XMLReader.Failure) in
            // rclone's server answers by the shorter name.
            let fields = try FlatDocument.read(
                response.body, root: "InitiateMultipartUploadResult", or: "InitiateMultipartUpload")
            guard let id = fields["UploadId"], !id.isEmpty else {
                throw XMLReader.Failure(description: "the answer names no upload")
            }
            return MultipartUpload(key: key, id: id)
        }
    }

    /// UploadPart: one request, and one more pass over the body for its checksum.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>
    public func uploadPart(_ upload: MultipartUpload, number: Int, body: any RequestBody)
        async throws(StoreError) -> UploadedPart
    {
        var sums: ContentChecksum?
        return try await perform { () throws(StoreError) in
            var request = S3Request(.uploadPart, .put, key: upload.key)
            request.query = [("partNumber", String(number)), ("uploadId", upload.id)]
            try setBody(body, of: &request, sums: &sums)
            return request
        } read: { response throws(XMLReader.Failure) in
            guard let etag = response.headers.value("etag"), !etag.isEmpty else {
                throw XMLReader.Failure(description: "the answer has no ETag")
            }
            return UploadedPart(number: number, etag: ETag(etag), crc32c: sendsCRC32C ? sums?.crc32c : nil)
        }
    }

    /// UploadPartCopy: one request, no content passes this machine.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        guard !range.isEmpty, range.lowerBound >= 0 else {
            throw StoreError(
                .invalidRequest, operation: S3Operation.uploadPartCopy.rawValue, key: upload.key,
                message: "the range \(range.lowerBound)..<\(range.upperBound) holds nothing")
        }
        return try await perform {
            var request = S3Request(.uploadPartCopy, .put, key: upload.key)
            request.query = [("partNumber", String(number)), ("uploadId", upload.id)]
            request.copySource = source
            request.setHeader("x-amz-copy-source", copySource(source))
            request.setHeader("x-amz-copy-source-range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")
            request.setHeader("x-amz-copy-source-if-match", ifMatch?.quoted)
            request.pace = .serverSide(Int64(range.count))
            return request
        } read: { response throws(XMLReader.Failure) in
            let fields = try FlatDocument.read(response.body, root: "CopyPartResult")
            guard let etag = fields["ETag"], !etag.isEmpty else {
                throw XMLReader.Failure(description: "the answer has no ETag")
            }
            return UploadedPart(number: number, etag: ETag(etag), crc32c: fields["ChecksumCRC32C"])
        }
    }

    /// CompleteMultipartUpload: one request. Made again after an attempt without an answer, it may fail with `noSuchUpload`
    /// and `isAmbiguous` although the object is there: the caller has to look.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
    public func completeUpload(
        _ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        let document = RequestDocuments.complete(parts)
        let hash = configuration.signPayload ? Hexadecimal.string(Digest.sha256(document)) : nil
        return try await perform {
            var request = S3Request(.completeMultipartUpload, .post, key: upload.key)
            request.query = [("uploadId", upload.id)]
            request.setHeader("content-type", "application/xml")
            request.setPrecondition(precondition)
            request.body = ArrayBody(document)
            request.payloadHash = hash
            request.pace = .serverSide(nil)
            return request
        } read: { response throws(XMLReader.Failure) in
            let fields = try FlatDocument.read(response.body, root: "CompleteMultipartUploadResult")
            return storedObject(response, etag: fields["ETag"])
        }
    }

    /// AbortMultipartUpload: one request. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
    public func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        do {
            try await perform {
                var request = S3Request(.abortMultipartUpload, .delete, key: upload.key)
                request.query = [("uploadId", upload.id)]
                return request
            } read: { _ in
            }
        } catch {
            guard error.kind == .noSuchUpload || error.kind == .notFound else { throw error }
        }
    }

    /// ListMultipartUploads: one request for one page of up to 1,000.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
    public func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        try await perform {
            var request = S3Request(.listMultipartUploads, .get)
            request.query = [
                ("uploads", nil), ("prefix", prefix), ("max-uploads", "1000"), ("encoding-type", "url"),
            ]
            if let after {
                if !after.key.isEmpty { request.query.append(("key-marker", after.key)) }
                if !after.uploadID.isEmpty { request.query.append(("upload-id-marker", after.uploadID)) }
            }
            request.collectLimit = Self.documentLimit
            return request
        } read: { response throws(XMLReader.Failure) in
            try UploadsDocument.read(response.body)
        }
    }
}
