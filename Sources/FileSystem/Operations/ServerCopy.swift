package import ObjectStore

/// Copies an object inside the bucket, without its bytes coming here.
///
/// Requests: one CopyObject up to the store's limit for one copy (5 GiB); above it a multipart upload of UploadPartCopy
/// ranges, several at once, and a HEAD for the headers that have to be carried along. Under the condition that the source
/// still is the version known. Where the condition on the goal fails after an answer that got lost, one or two HEADs more:
/// what stands there may be the copy itself.
package struct ServerCopy: Sendable {
    /// The bucket.
    let store: any ObjectStore
    /// Ranges on their way at once.
    let parallel: Int

    /// Copies inside `store`, of large objects `parallel` ranges at once.
    package init(store: any ObjectStore, parallel: Int) {
        self.store = store
        self.parallel = parallel
    }

    /// A range of a copy in parts: 1 GiB keeps the parts of the largest object below 10,000 and each request short.
    private static let range: Int64 = 1 << 30

    /// Copies a version to `destination`.
    /// - Parameter storageClass: the source's, where the metadata are kept; nil for the default.
    package func copy(
        _ source: ObjectVersion, to destination: ObjectKey, metadata: CopyRequest.Metadata = .keep,
        storageClass: String? = nil, if precondition: Precondition = .none
    ) async throws(StoreError) -> StoredObject {
        do throws(StoreError) {
            return try await copyOnce(
                source, to: destination, metadata: metadata, storageClass: storageClass, if: precondition)
        } catch {
            guard precondition != .none, error.kind == .preconditionFailed, error.isAmbiguous,
                let own = try await ownCopy(of: source, at: destination, metadata: metadata)
            else { throw error }
            return own
        }
    }

    /// Copies as ``copy(_:to:metadata:storageClass:if:)``. Where no answer came, one or two HEADs tell whether the copy was made all the
    /// same; an error that is ambiguous then means that it does not stand now.
    package func copyLooking(
        _ source: ObjectVersion, to destination: ObjectKey, metadata: CopyRequest.Metadata = .keep,
        storageClass: String? = nil, if precondition: Precondition = .none
    ) async throws(StoreError) -> StoredObject {
        do throws(StoreError) {
            return try await copy(
                source, to: destination, metadata: metadata, storageClass: storageClass, if: precondition)
        } catch {
            guard error.isAmbiguous, error.kind != .cancelled,
                let own = try? await ownCopy(of: source, at: destination, metadata: metadata)
            else { throw error }
            return own
        }
    }

    /// What stands at the goal, if it is a copy of the source: the same content under the same headers. The ETag of an object
    /// that was uploaded in parts is another one than its copy's, so there the size and the headers, which hold the time to
    /// the nanosecond, have to do.
    private func ownCopy(
        of source: ObjectVersion, at destination: ObjectKey, metadata: CopyRequest.Metadata
    ) async throws(StoreError) -> StoredObject? {
        guard let copy = try await store.headOrNil(destination), copy.size == source.size else { return nil }
        let isFromParts = source.etag?.value.utf8.contains(UInt8(ascii: "-")) ?? true
        guard isFromParts || copy.etag == source.etag else { return nil }
        let headers: ObjectMetadata?
        switch metadata {
        case .replace(let new): headers = new
        case .keep: headers = try await store.headOrNil(source.key)?.metadata
        }
        guard copy.metadata.user == headers?.user else { return nil }
        return StoredObject(etag: copy.etag, versionID: copy.versionID, date: copy.lastModified)
    }

    private func copyOnce(
        _ source: ObjectVersion, to destination: ObjectKey, metadata: CopyRequest.Metadata,
        storageClass: String?, if precondition: Precondition
    ) async throws(StoreError) -> StoredObject {
        if source.size <= store.features.maximumPartSize {
            return try await store.copy(
                CopyRequest(
                    source: source.key, sourceMatches: source.etag, destination: destination,
                    precondition: precondition,
                    metadata: metadata, storageClass: storageClass, length: source.size))
        }
        let headers: ObjectMetadata
        switch metadata {
        case .replace(let new): headers = new
        case .keep: headers = try await store.head(source.key).metadata
        }
        let upload = try await store.createUpload(destination, metadata: headers)
        do {
            let parts = try await copyParts(source, upload)
            return try await store.completeUpload(upload, parts: parts, if: precondition)
        } catch {
            try? await store.abortUpload(upload)
            throw error
        }
    }

    private func copyParts(_ source: ObjectVersion, _ upload: MultipartUpload) async throws(StoreError)
        -> [UploadedPart]
    {
        let count = Int((source.size + Self.range - 1) / Self.range)
        let results = await withTaskGroup(of: Result<UploadedPart, StoreError>.self) { group in
            var next = 0
            func add() {
                guard next < count else { return }
                let start = Int64(next) * Self.range
                let range = start..<min(source.size, start + Self.range)
                let number = next + 1
                next += 1
                group.addTask {
                    do throws(StoreError) {
                        return .success(
                            try await store.copyPart(
                                upload, number: number, from: source.key, range: range, ifMatch: source.etag))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            for _ in 0..<parallel { add() }
            var results: [Result<UploadedPart, StoreError>] = []
            while let result = await group.next() {
                results.append(result)
                if case .success = result { add() }
            }
            return results
        }
        var parts: [UploadedPart] = []
        for result in results { parts.append(try result.get()) }
        return parts.sorted { $0.number < $1.number }
    }
}
