public import ObjectStore
import Synchronization

/// ListObjectsV2 of the bucket with what is pending laid over it.
///
/// The store's pages and the pending keys are two sorted rows that are merged. What is pending is looked at *before* a page is
/// asked for: so an upload that ends meanwhile is seen on one side at least. A common prefix of the store stays unless something below it
/// is deleted and nothing put: then the store is asked whether anything else is left below it.
///
/// A page's mark is the store's own mark for the page before the last entry, and that entry: entries are never given twice,
/// and a page of the store may be asked for twice.
///
/// Requests: one LIST a page as a rule; more where deletes leave a page short; one or more for each prefix below which only
/// deletes are pending.
extension WriteBackStore {
    /// An entry of a merged listing.
    private enum Entry {
        case object(ListedObject)
        case prefix(String)

        var name: String {
            switch self {
            case .object(let object): object.key.string
            case .prefix(let prefix): prefix
            }
        }
    }

    /// What is pending below a prefix, as a listing shows it.
    private struct Overlay {
        /// Objects and folded prefixes, in order.
        var entries: [Entry] = []
        var putPrefixes: Set<ObjectKey> = []
        /// Keys that the store's page must not show: what is pending under them is shown instead, or nothing.
        var covered: Set<ObjectKey> = []
        /// Prefixes below which something is deleted.
        var thinned: Set<ObjectKey> = []
        var deletes = 0
    }

    /// One page.
    public func list(_ request: ListRequest) async throws(StoreError) -> ListPage {
        guard request.limit > 0 else { return try await base.list(request) }
        var after: String?
        var next: ListContinuation?
        var start = request.startAfter.flatMap { $0.isEmpty ? nil : $0 }
        if let token = request.continuation?.token {
            guard let mark = Mark(token) else {
                throw Self.invalid(
                    "ListObjectsV2", ObjectKey(request.prefix), "InvalidArgument", "not a mark of this listing")
            }
            next = mark.store.map { ListContinuation(token: $0) }
            after = mark.after
            start = mark.start
        }
        var page = ListPage()
        var count = 0
        while true {
            let overlay = overlay(request)
            var inner = ListRequest(prefix: request.prefix, delimiter: request.delimiter)
            inner.continuation = next
            inner.startAfter = next == nil ? start : nil
            inner.limit = min(1000, request.limit + overlay.deletes)
            let stored = try await base.list(inner)
            let merged = try await merge(stored, overlay, from: start, after: after)
            for entry in merged {
                if count == request.limit {
                    page.next = Mark(store: next?.token, start: start, after: after).continuation
                    return page
                }
                switch entry {
                case .object(let object): page.objects.append(object)
                case .prefix(let prefix): page.commonPrefixes.append(prefix)
                }
                after = entry.name
                count += 1
            }
            guard let more = stored.next else { return page }
            next = more
            // What is pending before the end of the store's page has been shown.
            if let end = Self.end(of: stored), after.map({ $0.utf8.lexicographicallyPrecedes(end.utf8) }) ?? true {
                after = end
            }
            if count == request.limit {
                page.next = Mark(store: next?.token, start: start, after: after).continuation
                return page
            }
        }
    }

    private static func end(of page: ListPage) -> String? {
        let last = [page.objects.last?.key.string, page.commonPrefixes.last].compactMap { $0 }
        return last.max { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func overlay(_ request: ListRequest) -> Overlay {
        let depth = request.prefix.utf8.count
        return state.withLock { state in
            var overlay = Overlay()
            for key in state.table.keys.keys(withPrefix: request.prefix) {
                let folded = Self.fold(key.string, after: depth, at: request.delimiter)
                switch state.table.view(key) {
                case .stored: break
                case .deleted:
                    overlay.deletes += 1
                    overlay.covered.insert(key)
                    if let folded { overlay.thinned.insert(ObjectKey(folded)) }
                case .present(let intent):
                    overlay.covered.insert(key)
                    if let folded {
                        if overlay.putPrefixes.insert(ObjectKey(folded)).inserted {
                            overlay.entries.append(.prefix(folded))
                        }
                    } else {
                        overlay.entries.append(
                            .object(
                                ListedObject(
                                    key: key, size: intent.size, etag: intent.etag, lastModified: intent.date,
                                    storageClass: intent.metadata.storageClass ?? "STANDARD")))
                    }
                }
            }
            return overlay
        }
    }

    private static func fold(_ key: String, after depth: Int, at delimiter: String?) -> String? {
        guard let delimiter, let mark = delimiter.utf8.first else { return nil }
        let bytes = key.utf8
        // Only "/" and other delimiters of one byte are in use; a longer one is matched byte by byte.
        let wanted = Array(delimiter.utf8)
        var index = bytes.index(bytes.startIndex, offsetBy: depth)
        while let found = bytes[index...].firstIndex(of: mark) {
            if bytes[found...].starts(with: wanted) {
                return String(key[..<bytes.index(found, offsetBy: wanted.count)])
            }
            index = bytes.index(after: found)
        }
        return nil
    }

    /// The entries after `after` up to the end of the store's page, in order.
    private func merge(_ stored: ListPage, _ overlay: Overlay, from start: String?, after: String?)
        async throws(StoreError) -> [Entry]
    {
        let end = stored.next == nil ? nil : Self.end(of: stored)
        // Where the listing begins, the store has its own way with prefixes: only what is pending is held against it here.
        var entries: [Entry] = overlay.entries.filter { entry in
            let isInPage = end.map { !$0.utf8.lexicographicallyPrecedes(entry.name.utf8) } ?? true
            return isInPage && (start.map { $0.utf8.lexicographicallyPrecedes(entry.name.utf8) } ?? true)
        }
        let told = state.withLock { state in
            stored.objects.filter { !overlay.covered.contains($0.key) }.map { state.table.aliases.told($0) }
        }
        entries += told.map { .object($0) }
        for prefix in stored.commonPrefixes {
            let key = ObjectKey(prefix)
            if overlay.putPrefixes.contains(key) { continue }
            if overlay.thinned.contains(key), try await !hasOthers(below: prefix) { continue }
            entries.append(.prefix(prefix))
        }
        return entries.filter { entry in after.map { $0.utf8.lexicographicallyPrecedes(entry.name.utf8) } ?? true }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Whether the store holds a key below a prefix that is not about to be deleted.
    private func hasOthers(below prefix: String) async throws(StoreError) -> Bool {
        var next: ListContinuation?
        while true {
            let deleted = overlay(ListRequest(prefix: prefix)).covered
            var inner = ListRequest(prefix: prefix)
            inner.continuation = next
            inner.limit = min(1000, deleted.count + 1)
            let page = try await base.list(inner)
            if page.objects.contains(where: { !deleted.contains($0.key) }) { return true }
            guard let more = page.next else { return false }
            next = more
        }
    }

    /// Where a listing goes on: the store's mark, where the listing began, and the last entry given.
    private struct Mark {
        var store: String?
        var start: String?
        var after: String?

        init(store: String?, start: String?, after: String?) {
            self.store = store
            self.start = start
            self.after = after
        }

        init?(_ token: String) {
            var parts: [String?] = []
            var rest = token.utf8[...]
            while let colon = rest.firstIndex(of: UInt8(ascii: ":")), parts.count < 3 {
                guard let count = Int(String(rest[..<colon]) ?? "") else { return nil }
                rest = rest[rest.index(after: colon)...]
                guard count >= 0 else {
                    parts.append(nil)
                    continue
                }
                guard rest.count >= count, let text = String(rest.prefix(count)) else { return nil }
                parts.append(text)
                rest = rest.dropFirst(count)
            }
            guard parts.count == 3, rest.isEmpty else { return nil }
            self.init(store: parts[0], start: parts[1], after: parts[2])
        }

        var continuation: ListContinuation {
            let parts = [store, start, after].map { part in part.map { "\($0.utf8.count):\($0)" } ?? "-1:" }
            return ListContinuation(token: parts.joined())
        }
    }
}
