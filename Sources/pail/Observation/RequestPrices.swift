/// What requests cost, in US$, by AWS's list prices of S3 Standard in us-east-1 unless somebody says otherwise.
///
/// An estimate: other regions, classes and stores have other prices, and data that leave the region cost by the GB, which
/// is not known here. <https://aws.amazon.com/s3/pricing/>
struct RequestPrices: Sendable, Equatable {
    /// 1,000 requests of PUT, COPY, POST and LIST.
    var writes = 0.005
    /// 1,000 requests of GET, HEAD and all others.
    var reads = 0.0004
    /// 1 GB (10⁹ bytes) that came from the store: nothing within a region, 0.09 to the Internet.
    var transfer = 0.0

    /// Whether an operation is of the dearer kind; nil for one that costs nothing.
    static func isWrite(_ operation: String) -> Bool? {
        switch operation {
        case "DeleteObject", "DeleteObjects", "AbortMultipartUpload": nil
        case "PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy",
            "CompleteMultipartUpload",
            "ListObjects", "ListObjectsV2", "ListMultipartUploads", "ListParts", "PutObjectAcl":
            true
        default: false
        }
    }

    /// What requests have cost.
    func cost(of requests: MountStatus.Requests) -> Double {
        var dollars = Double(requests.bytesReceived) / 1e9 * transfer
        for (operation, count) in requests.byOperation {
            guard let isWrite = Self.isWrite(operation) else { continue }
            dollars += Double(count) / 1000 * (isWrite ? writes : reads)
        }
        return dollars
    }
}
