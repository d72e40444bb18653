public import ObjectStore

extension S3Store {
    /// GetObject: one request, and one more for the rest each time the connection breaks. No copy is made on the way from
    /// libcurl's buffer to the sink. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
    @discardableResult
    public func get(_ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink)
        async throws(StoreError) -> ObjectInfo
    {
        if let range, range.isEmpty || range.lowerBound < 0 {
            throw StoreError(
                .invalidRequest, operation: S3Operation.getObject.rawValue, key: key,
                message: "the range \(range.lowerBound)..<\(range.upperBound) asks for nothing")
        }
        let download = ObjectDownload(range: range, ifMatch: ifMatch, sink: sink)
        do {
            try await perform {
                let state = download.progress
                var request = S3Request(.getObject, .get, key: key)
                request.setHeader("range", state.rangeHeader)
                request.setHeader("if-match", state.versionHeader)
                request.receiver = download
                request.pace = .transfer(state.expectedLength)
                return request
            } read: { _ throws(XMLReader.Failure) in
                guard download.progress.isComplete else {
                    throw XMLReader.Failure(description: "the content is cut short")
                }
            }
        } catch {
            // The last byte may have come before the connection broke.
            if !download.progress.isComplete || error.kind == .cancelled {
                var error = error
                if error.kind == .badResponse, let kind = download.progress.refusal { error.kind = kind }
                throw error
            }
        }
        guard let info = download.progress.info else {
            throw StoreError(
                .badResponse, operation: S3Operation.getObject.rawValue, key: key, message: "an answer without headers")
        }
        return info
    }
}

/// Stands between the HTTP engine and a sink.
///
/// The engine's thread calls it during an attempt and the task reads it between attempts; the engine resumes the task only
/// after its last call, so the two never meet.
final class ObjectDownload: HTTPBodyReceiver, @unchecked Sendable {
    private(set) var progress: DownloadProgress
    private let sink: any DownloadSink

    init(range: Range<Int64>?, ifMatch: ETag?, sink: any DownloadSink) {
        progress = DownloadProgress(wanted: range, ifMatch: ifMatch)
        self.sink = sink
    }

    func begin(status: Int, headers: HTTPHeaders) -> HTTPBodyVerdict {
        switch progress.answered(status: status, headers: headers) {
        case .begin(let info, let range):
            sink.begin(info, range: range)
            return .stream
        case .goOn: return .stream
        case .collectError: return .collect
        case .refuse(let reason): return .refuse(reason)
        }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let (slice, wantsMore) = progress.received(bytes.count)
        if !slice.isEmpty { sink.receive(UnsafeRawBufferPointer(rebasing: bytes[slice])) }
        return wantsMore
    }
}
