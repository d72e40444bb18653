public import ObjectStore
import Synchronization

extension InMemoryStore {
    /// ListObjectsV2: a binary search, then one step for each key or prefix of the page, whatever the bucket holds.
    public func list(_ request: ListRequest) async throws(StoreError) -> ListPage {
        try begin(StoreRequest(.list, key: ObjectKey(request.prefix)))
        guard request.limit >= 0 else {
            throw Self.refusal(
                .invalidRequest, .list, nil, 400, "InvalidArgument", "Argument max-keys must be an integer from 0 on")
        }
        let resume = try Self.resumption(of: request)
        let limit = min(request.limit, options.pageLimit)
        return state.withLock { Self.page(request, limit: limit, resume: resume, in: $0.objects) }
    }

    /// Where a page begins.
    private enum Resumption {
        case beginning
        case afterKey(String)
        case afterPrefix(String)
    }

    /// The token says what the last entry was: a key to go on after, or a prefix to go past.
    private static func resumption(of request: ListRequest) throws(StoreError) -> Resumption {
        if let token = request.continuation?.token {
            if token.hasPrefix("after-key:") { return .afterKey(String(token.dropFirst("after-key:".count))) }
            if token.hasPrefix("past:") { return .afterPrefix(String(token.dropFirst("past:".count))) }
            throw refusal(
                .invalidRequest, .list, nil, 400, "InvalidArgument", "The continuation token provided is incorrect")
        }
        guard let start = request.startAfter, !start.isEmpty else { return .beginning }
        // A prefix is an entry of the listing by its own name: one that equals `startAfter` does not come after it.
        if let delimiter = request.delimiter, !delimiter.isEmpty, start.utf8.count > request.prefix.utf8.count,
            UTF8Order.begins(start, with: request.prefix),
            let folded = UTF8Order.fold(start, after: request.prefix.utf8.count, at: delimiter),
            UTF8Order.equal(folded, start)
        {
            return .afterPrefix(start)
        }
        return .afterKey(start)
    }

    private static func page(
        _ request: ListRequest, limit: Int, resume: Resumption, in objects: SortedKeyMap<Stored>
    ) -> ListPage {
        var position = objects.position(from: request.prefix)
        switch resume {
        case .beginning: break
        case .afterKey(let key):
            if UTF8Order.precedes(request.prefix, key) || UTF8Order.equal(request.prefix, key) {
                position = objects.position(after: key)
            }
        case .afterPrefix(let prefix): position = objects.position(past: prefix)
        }
        var page = ListPage()
        guard limit > 0 else { return page }
        let skipped = request.prefix.utf8.count
        var last = ""
        while let (key, stored) = objects.entry(at: position), UTF8Order.begins(key.string, with: request.prefix) {
            if page.objects.count + page.commonPrefixes.count == limit {
                page.next = ListContinuation(token: last)
                break
            }
            if let delimiter = request.delimiter, !delimiter.isEmpty,
                let folded = UTF8Order.fold(key.string, after: skipped, at: delimiter)
            {
                page.commonPrefixes.append(folded)
                last = "past:" + folded
                position = objects.position(past: folded)
            } else {
                page.objects.append(
                    ListedObject(
                        key: key, size: stored.content.size, etag: stored.etag, lastModified: stored.lastModified,
                        storageClass: stored.metadata.storageClass ?? "STANDARD"))
                last = "after-key:" + key.string
                position = objects.position(after: position)
            }
        }
        return page
    }
}
