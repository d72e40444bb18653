public import ObjectStore
import Synchronization

extension InMemoryStore {
    /// CreateMultipartUpload.
    public func createUpload(_ key: ObjectKey, metadata: ObjectMetadata) async throws(StoreError) -> MultipartUpload {
        try begin(StoreRequest(.createUpload, key: key))
        try check(key, metadata, .createUpload)
        let now = wholeSeconds
        let id = state.withLock { state in
            state.lastUploadNumber += 1
            // Ids of equal length, so that their order is the order in which the uploads were made.
            let digits = String(state.lastUploadNumber)
            let id = "upload-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
            state.uploads[id] = Upload(key: key, metadata: metadata, initiated: now)
            return id
        }
        return MultipartUpload(key: key, id: id, initiated: now)
    }

    /// UploadPart; one copy of the body.
    public func uploadPart(
        _ upload: MultipartUpload, number: Int, body: any RequestBody
    ) async throws(StoreError) -> UploadedPart {
        try begin(
            StoreRequest(.uploadPart, key: upload.key, bytesSent: body.length, partNumber: number))
        try checkPart(number, of: upload, .uploadPart)
        try checkLength(body.length, .uploadPart, upload.key)
        return try store(try read(body, .uploadPart, upload.key), number, upload, .uploadPart)
    }

    /// UploadPartCopy; no byte is copied.
    public func copyPart(
        _ upload: MultipartUpload, number: Int, from source: ObjectKey, range: Range<Int64>, ifMatch: ETag?
    ) async throws(StoreError) -> UploadedPart {
        try begin(
            StoreRequest(.copyPart, key: upload.key, source: source, range: range, partNumber: number))
        guard features.partCopies else {
            throw Self.refusal(
                .notImplemented, .copyPart, upload.key, 501, "NotImplemented", "UploadPartCopy is not implemented")
        }
        try checkPart(number, of: upload, .copyPart)
        let stored = try self.source(source, ifMatch, .copyPart)
        guard range.lowerBound >= 0, !range.isEmpty, range.upperBound <= stored.content.size else {
            throw Self.refusal(
                .invalidRequest, .copyPart, upload.key, 400, "InvalidArgument",
                "Range specified is not valid for source object of size: \(stored.content.size)")
        }
        try checkLength(Int64(range.count), .copyPart, upload.key)
        return try store(stored.content.slice(range), number, upload, .copyPart)
    }

    /// CompleteMultipartUpload. A refused completion leaves the upload as it was.
    public func completeUpload(
        _ upload: MultipartUpload, parts: [UploadedPart], if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        try begin(StoreRequest(.completeUpload, key: upload.key, precondition: precondition))
        let honoured = features.conditionalCompletions ? precondition : .none
        let now = wholeSeconds
        return try change { state throws(StoreError) in
            let (found, content, etag) = try assemble(upload, parts, state)
            try Self.check(honoured, of: state.objects[upload.key], .completeUpload, upload.key)
            state.objects[upload.key] = Stored(
                content: content, etag: etag, lastModified: now, metadata: kept(found.metadata, of: upload.key))
            state.uploads[upload.id] = nil
            return StoredObject(etag: etag, date: now)
        }
    }

    /// AbortMultipartUpload.
    public func abortUpload(_ upload: MultipartUpload) async throws(StoreError) {
        try begin(StoreRequest(.abortUpload, key: upload.key))
        state.withLock { state in
            if state.uploads[upload.id]?.key == upload.key { state.uploads[upload.id] = nil }
        }
    }

    /// ListMultipartUploads: by key, then in the order in which they were begun.
    public func listUploads(prefix: String, after: UploadsMarker?) async throws(StoreError) -> UploadsPage {
        try begin(StoreRequest(.listUploads, key: ObjectKey(prefix)))
        let sorted = uploadsUnderWay.filter { upload in
            guard upload.key.hasPrefix(prefix) else { return false }
            guard let after else { return true }
            let key = ObjectKey(after.key)
            return upload.key == key ? upload.id > after.uploadID : key < upload.key
        }
        var page = UploadsPage(uploads: Array(sorted.prefix(options.pageLimit)))
        if sorted.count > page.uploads.count, let last = page.uploads.last {
            page.next = UploadsMarker(key: last.key.string, uploadID: last.id)
        }
        return page
    }

    private func checkPart(
        _ number: Int, of upload: MultipartUpload, _ operation: StoreOperation
    ) throws(StoreError) {
        guard (1...features.maximumPartCount).contains(number) else {
            throw Self.refusal(
                .invalidRequest, operation, upload.key, 400, "InvalidArgument",
                "Part number must be an integer between 1 and \(features.maximumPartCount)")
        }
        guard state.withLock({ $0.uploads[upload.id]?.key == upload.key }) else {
            throw Self.noSuchUpload(operation, upload)
        }
    }

    private func store(
        _ content: StoredContent, _ number: Int, _ upload: MultipartUpload, _ operation: StoreOperation
    ) throws(StoreError) -> UploadedPart {
        let etag = ETag(content.hash)
        try change { state throws(StoreError) in
            guard state.uploads[upload.id]?.key == upload.key else { throw Self.noSuchUpload(operation, upload) }
            state.uploads[upload.id]?.parts[number] = (content, etag)
        }
        return UploadedPart(number: number, etag: etag)
    }

    /// The content that the named parts make, or S3's reason why they make none.
    private func assemble(
        _ upload: MultipartUpload, _ parts: [UploadedPart], _ state: State
    ) throws(StoreError) -> (Upload, StoredContent, ETag) {
        let operation = StoreOperation.completeUpload
        guard let found = state.uploads[upload.id], found.key == upload.key else {
            throw Self.noSuchUpload(operation, upload)
        }
        guard !parts.isEmpty else {
            throw Self.refusal(
                .invalidRequest, operation, upload.key, 400, "MalformedXML", "You must specify at least one part")
        }
        var content = StoredContent()
        var tags = ContentHash()
        for (index, part) in parts.enumerated() {
            if index > 0, part.number <= parts[index - 1].number {
                throw Self.refusal(
                    .invalidRequest, operation, upload.key, 400, "InvalidPartOrder",
                    "The list of parts was not in ascending order")
            }
            guard let held = found.parts[part.number], held.etag == part.etag else {
                throw Self.refusal(
                    .invalidRequest, operation, upload.key, 400, "InvalidPart",
                    "One or more of the specified parts could not be found")
            }
            if index < parts.count - 1, held.content.size < features.minimumPartSize {
                throw Self.refusal(
                    .limitExceeded, operation, upload.key, 400, "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed object size")
            }
            content.append(held.content)
            Array(held.etag.value.utf8).withUnsafeBytes { tags.add($0) }
        }
        guard content.size <= features.maximumObjectSize else {
            throw Self.refusal(
                .limitExceeded, operation, upload.key, 400, "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed object size")
        }
        return (found, content, ETag("\(tags.digest())-\(parts.count)"))
    }

    private static func noSuchUpload(_ operation: StoreOperation, _ upload: MultipartUpload) -> StoreError {
        refusal(
            .noSuchUpload, operation, upload.key, 404, "NoSuchUpload", "The specified multipart upload does not exist")
    }
}
