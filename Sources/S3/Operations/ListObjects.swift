public import ObjectStore

extension S3Store {
    /// ListObjectsV2, or ListObjects where the configuration says so: one request for one page.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    public func list(_ request: ListRequest) async throws(StoreError) -> ListPage {
        try await list(request, maxAttempts: nil)
    }

    func list(_ wanted: ListRequest, maxAttempts: Int?) async throws(StoreError) -> ListPage {
        let version = configuration.listingVersion
        return try await perform(maxAttempts: maxAttempts) {
            var request = S3Request(version == .v2 ? .listObjectsV2 : .listObjects, .get)
            request.query = [
                ("prefix", wanted.prefix), ("max-keys", String(min(max(1, wanted.limit), 1000))),
                // Keys may hold what XML cannot.
                ("encoding-type", "url"),
            ]
            if let delimiter = wanted.delimiter { request.query.append(("delimiter", delimiter)) }
            switch version {
            case .v2:
                request.query.append(("list-type", "2"))
                if let next = wanted.continuation {
                    request.query.append(("continuation-token", next.token))
                } else if let after = wanted.startAfter, !after.isEmpty {
                    request.query.append(("start-after", after))
                }
            case .v1:
                if let marker = wanted.continuation?.token ?? wanted.startAfter, !marker.isEmpty {
                    request.query.append(("marker", marker))
                }
            }
            request.collectLimit = Self.documentLimit
            return request
        } read: { response throws(XMLReader.Failure) in
            let page = try ListingDocument.read(response.body, version: version)
            if let next = page.next, next == wanted.continuation {
                throw XMLReader.Failure(description: "the listing does not go on: the next page is the same again")
            }
            return page
        }
    }

    /// Whether the bucket can be reached and listed with these credentials: one request, tried at most three times.
    ///
    /// A GET is used and not HeadBucket, because a HEAD's refusal has no body that says why.
    /// - Throws: `noSuchBucket`; `accessDenied` with the code `InvalidAccessKeyId`, `SignatureDoesNotMatch` or `AccessDenied`;
    ///   `unreachable`; `tls`; `badResponse` where the endpoint is no S3; `invalidRequest` where its URL is malformed.
    public func checkBucket() async throws(StoreError) {
        _ = try await list(ListRequest(prefix: "", limit: 1), maxAttempts: 3)
    }
}
