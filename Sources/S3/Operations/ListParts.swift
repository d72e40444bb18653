public import ObjectStore

/// What the store holds of an upload under way, added up over the pages of ListParts.
public struct UploadProgress: Sendable, Equatable {
    /// Parts that are there.
    public var parts = 0
    /// Their bytes.
    public var bytes: Int64 = 0
    /// When the last of them came; nil where there is none, or the store does not tell.
    public var newest: Timestamp?
    /// Requests that it took to find out.
    public var requests = 0

    /// Nothing.
    public init() {}
}

extension S3Store {
    /// ListParts: what has come of an upload so far; nil where there is no such upload (any more). One request for 1,000 parts.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
    public func progress(of upload: MultipartUpload) async throws(StoreError) -> UploadProgress? {
        var progress = UploadProgress()
        var marker: String?
        do throws(StoreError) {
            repeat {
                let after = marker
                let page = try await perform {
                    var request = S3Request(.listParts, .get, key: upload.key)
                    request.query = [("uploadId", upload.id), ("max-parts", "1000")]
                    if let after { request.query.append(("part-number-marker", after)) }
                    request.collectLimit = Self.documentLimit
                    return request
                } read: { response throws(XMLReader.Failure) in
                    try PartsDocument.read(response.body)
                }
                progress.add(page)
                // A server that names the same place twice would be asked for ever.
                guard let next = page.next, next != marker else { return progress }
                marker = next
            } while true
        } catch {
            guard error.kind == .noSuchUpload || error.kind == .notFound else { throw error }
            return nil
        }
    }
}

extension UploadProgress {
    /// Takes a page in.
    fileprivate mutating func add(_ page: PartsDocument.Page) {
        requests += 1
        parts += page.parts
        bytes += page.bytes
        if let time = page.newest, newest.map({ $0 < time }) ?? true { newest = time }
    }
}
