public import ObjectStore

extension S3Store {
    /// The most keys of one request.
    private static let deleteLimit = 1000

    /// DeleteObjects: one request for 1,000 keys; keys that XML cannot write cost one DeleteObject each. A key that the store
    /// could not delete just then is tried again. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
    public func delete(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        var failed: [StoreError] = []
        var writable: [ObjectKey] = []
        for key in keys {
            if RequestDocuments.canCarry(key.string) {
                writable.append(key)
                continue
            }
            do throws(StoreError) { try await delete(key, if: .none) } catch {
                if error.kind == .cancelled { throw error }
                failed.append(error)
            }
        }
        var start = 0
        while start < writable.count {
            let batch = Array(writable[start..<min(writable.count, start + Self.deleteLimit)])
            start += batch.count
            for error in try await deleteBatch(batch) {
                guard let key = error.key, RetryPolicy.isTransient(status: 0, code: error.code ?? "") else {
                    failed.append(error)
                    continue
                }
                // A request of its own has retries of its own.
                do throws(StoreError) { try await delete(key, if: .none) } catch {
                    if error.kind == .cancelled { throw error }
                    failed.append(error)
                }
            }
        }
        return failed
    }

    private func deleteBatch(_ keys: [ObjectKey]) async throws(StoreError) -> [StoreError] {
        let document = RequestDocuments.delete(keys)
        let digest = RunningDigest.md5()
        document.withUnsafeBytes { digest.update($0) }
        let md5 = Base64.encode(digest.finish())
        let hash = configuration.signPayload ? Hexadecimal.string(Digest.sha256(document)) : nil
        return try await perform {
            var request = S3Request(.deleteObjects, .post)
            request.query = [("delete", nil)]
            request.setHeader("content-md5", md5)
            request.setHeader("content-type", "application/xml")
            request.body = ArrayBody(document)
            request.payloadHash = hash
            request.collectLimit = Self.documentLimit
            return request
        } read: { response throws(XMLReader.Failure) in
            let refusals = try DeleteDocument.read(response.body)
            let requestID = response.headers.value("x-amz-request-id")
            var errors: [StoreError] = []
            for refusal in refusals where refusal.code != "NoSuchKey" {
                errors.append(
                    StoreError(
                        ErrorMapping.kind(status: 400, code: refusal.code, isBucketLevel: false),
                        operation: S3Operation.deleteObjects.rawValue, key: ObjectKey(refusal.key),
                        code: refusal.code.isEmpty ? nil : refusal.code, message: refusal.message,
                        requestID: requestID))
            }
            return errors
        }
    }
}
