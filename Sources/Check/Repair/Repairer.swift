internal import FileSystem
internal import ObjectStore
internal import Synchronization

/// Mends findings, one by one, each whole or not at all.
///
/// Every request that takes something away is conditional on the version that was looked at, and comes after a copy was seen to
/// be whole. So whoever stores something meanwhile keeps it, and a process that dies leaves a content under two names, never
/// under none. What is under way is not cancelled with the check.
///
/// Requests: 4 to 6 for a move, 1 to 3 for anything else.
final class Repairer: Sendable {
    /// What became of a repair.
    enum Outcome: Sendable, Equatable {
        /// Done; where the content is now, if it was moved.
        case mended(ObjectKey?)
        /// There is nothing to mend any more.
        case gone
        /// Not done, and why.
        case left(String)
    }

    /// The most of a content that goes through this machine, where the store does not copy it: 64 MiB.
    static let throughLimit: Int64 = 64 << 20

    fileprivate let store: any ObjectStore
    private let prefix: String

    /// - Parameter store: keeps conditions, by itself or by ``CheckThenActStore``.
    init(_ store: any ObjectStore, prefix: String) {
        self.store = store
        self.prefix = prefix
    }

    /// Mends one finding.
    func mend(_ key: ObjectKey, _ repair: Repair) async -> Outcome {
        await Task {
            do throws(StoreError) {
                return try await perform(key, repair)
            } catch {
                switch error.kind {
                case .notFound, .noSuchUpload: return .gone
                case .preconditionFailed: return .left("it was changed meanwhile; run the check again")
                default: return .left(error.description)
                }
            }
        }.value
    }

    private func perform(_ key: ObjectKey, _ repair: Repair) async throws(StoreError) -> Outcome {
        switch repair {
        case .moveToLostAndFound(let etag): return try await move(key, etag)
        case .detachBody(let etag):
            let info = try await current(key, etag)
            guard info.size > 0 else { return .gone }
            let copy = try await keep(key, info)
            _ = try await store.put(key, body: ArrayBody([]), metadata: info.metadata, if: matches(info.etag))
            return .mended(copy)
        case .putMarker:
            do throws(StoreError) {
                let metadata = ObjectMetadata(contentType: DirectoryForm.contentType)
                _ = try await store.put(key, body: ArrayBody([]), metadata: metadata, if: .absent)
            } catch {
                guard error.kind == .preconditionFailed else { throw error }
                return .gone
            }
            return .mended(nil)
        case .deleteEmptyMarker(let etag):
            let info = try await current(key, etag)
            guard info.size == 0 else { return .left("it has content now") }
            try await store.delete(key, if: matches(info.etag))
            return .mended(nil)
        case .replaceMetadata(let etag, let metadata):
            if key.isDirectoryMarker {
                let info = try await current(key, etag)
                guard info.size == 0 else { return .left("it has content: mend that first, and run the check again") }
                _ = try await store.put(key, body: ArrayBody([]), metadata: metadata, if: matches(etag))
            } else {
                let info = try await current(key, etag)
                guard info.size <= store.features.maximumPartSize else {
                    return .left("it is too large for one copy inside the store")
                }
                _ = try await store.copy(
                    CopyRequest(
                        source: key, sourceMatches: etag, destination: key, metadata: .replace(metadata),
                        storageClass: metadata.storageClass))
            }
            return .mended(nil)
        case .abortUpload(let upload):
            try await store.abortUpload(upload)
            return .mended(nil)
        case .deleteCopy(let etag, let original):
            let info = try await current(key, etag)
            if let other = try await store.headOrNil(original), other.size == info.size, let tag = info.etag,
                other.etag == tag, !tag.value.utf8.starts(with: "W/".utf8)
            {
                try await store.delete(key, if: matches(tag))
                return .mended(nil)
            }
            return try await move(key, etag)
        case .deleteOwn(let etag):
            try await store.delete(key, if: matches(etag))
            return .mended(nil)
        }
    }

    // MARK: Moving

    private func move(_ key: ObjectKey, _ etag: ETag?) async throws(StoreError) -> Outcome {
        let info = try await current(key, etag)
        let copy = try await keep(key, info)
        try await store.delete(key, if: matches(info.etag))
        return .mended(copy)
    }

    /// Copies an object's content to `lost+found/` and looks whether it is whole there.
    private func keep(_ key: ObjectKey, _ info: ObjectInfo) async throws(StoreError) -> ObjectKey {
        let metadata = LostAndFound.metadata(info, of: key)
        for attempt in 0..<100 {
            let copy = LostAndFound.key(for: key, prefix: prefix, attempt: attempt)
            if let there = try await store.headOrNil(copy) {
                // An earlier run that died between the copy and the delete.
                if isSame(there, info) { return copy }
                continue
            }
            do throws(StoreError) {
                try await makeCopy(key, info, metadata, to: copy)
            } catch {
                guard error.kind == .preconditionFailed, try await store.headOrNil(copy) != nil else { throw error }
                continue
            }
            guard let there = try await store.headOrNil(copy), there.size == info.size,
                isSame(there, info) || hasNoDigest(info) || hasNoDigest(there)
            else {
                throw StoreError(
                    .badResponse, operation: "CopyObject", key: copy, message: "the copy is not what was copied")
            }
            return copy
        }
        throw StoreError(
            .limitExceeded, operation: "CopyObject", key: key, message: "lost+found has too many of its name")
    }

    private func makeCopy(_ key: ObjectKey, _ info: ObjectInfo, _ metadata: ObjectMetadata, to copy: ObjectKey)
        async throws(StoreError)
    {
        let version = ObjectVersion(key: key, etag: info.etag, size: info.size)
        if !key.isDirectoryMarker {
            _ = try await ServerCopy(store: store, parallel: 8).copyLooking(
                version, to: copy, metadata: .replace(metadata), storageClass: metadata.storageClass, if: .absent)
            return
        }
        // Stores with directories of their own copy no key that ends in a slash.
        guard info.size <= Self.throughLimit else {
            throw StoreError(
                .limitExceeded, operation: "GetObject", key: key, message: "its content is too large to go through here"
            )
        }
        let sink = BodyCollector()
        try await store.get(key, range: nil, ifMatch: info.etag, into: sink)
        let bytes = sink.bytes
        guard Int64(bytes.count) == info.size else {
            throw StoreError(.badResponse, operation: "GetObject", key: key, message: "the content is cut short")
        }
        _ = try await store.put(copy, body: ArrayBody(bytes), metadata: metadata, if: .absent)
    }

    /// The object as it is, if it still is the version that was found.
    private func current(_ key: ObjectKey, _ etag: ETag?) async throws(StoreError) -> ObjectInfo {
        let info = try await store.head(key)
        if let etag, let now = info.etag, now != etag {
            throw StoreError(.preconditionFailed, operation: "HeadObject", key: key)
        }
        return info
    }

    private func matches(_ etag: ETag?) -> Precondition { etag.map { .matches($0) } ?? .none }

    private func isSame(_ a: ObjectInfo, _ b: ObjectInfo) -> Bool {
        a.size == b.size && a.etag != nil && a.etag == b.etag
    }

    /// Its ETag says nothing of its content: another one for each copy.
    private func hasNoDigest(_ info: ObjectInfo) -> Bool {
        info.isEncryptedWithKey || info.etag?.value.utf8.contains(UInt8(ascii: "-")) ?? true
    }
}

/// The bytes of a GET in one array.
final class BodyCollector: DownloadSink {
    private let collected = Mutex<[UInt8]>([])

    var bytes: [UInt8] { collected.withLock { $0 } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {}
    func receive(_ bytes: UnsafeRawBufferPointer) { collected.withLock { $0 += bytes } }
}

extension Repairer {
    /// Stores a text; returns what kept it from that.
    func note(_ text: String, at key: ObjectKey) async -> StoreError? {
        await Task {
            do throws(StoreError) {
                let metadata = ObjectMetadata(contentType: "text/plain; charset=utf-8")
                _ = try await store.put(key, body: ArrayBody(Array(text.utf8)), metadata: metadata, if: .none)
                return nil
            } catch { return error }
        }.value
    }
}
