import ObjectStore

extension ObjectStore {
    /// All objects whose keys begin with `prefix`. Requests: one LIST a thousand.
    func listAll(below prefix: String) async throws(StoreError) -> [ListedObject] {
        var found: [ListedObject] = []
        var next: ListContinuation?
        repeat {
            let page = try await list(ListRequest(prefix: prefix, continuation: next))
            found.append(contentsOf: page.objects)
            next = page.next
        } while next != nil
        return found
    }
}

extension ListedObject {
    /// Whether it stands for a directory and holds nothing else.
    var isMarker: Bool { key.isDirectoryMarker && size == 0 }
}
