internal import ObjectStore

extension StoreConformance {
    /// ListObjectsV2 and the order of keys.
    static let listingChecks: [Check] = [
        Check("list-order") { context in
            // By bytes: capitals before small letters, '-' and '.' before '/', U+FFFD after U+00E9, astral last.
            let sorted = ["A", "Z", "a", "a-b", "a.b", "a/x", "a0", "aa", "b", "\u{e9}", "\u{fffd}", "\u{1F600}"]
            for name in sorted.reversed() { try await context.put(name, name) }
            let listed = try await context.store.listAll(context.prefix)
            try context.expect(listed.objects.map(\.key), sorted.map { context.key($0) }, "keys in byte order")
            try context.expect(listed.commonPrefixes, [], "no prefix without a delimiter")
            for object in listed.objects {
                let info = try await context.store.head(object.key)
                try context.expect(object.size, info.size, "size of \(object.key)")
                try context.expect(object.etag, info.etag, "ETag of \(object.key)")
                try context.expect(
                    object.lastModified.seconds, info.lastModified.seconds, "LastModified of \(object.key)")
            }
        },
        Check("list-delimiter") { context in
            for name in ["a/1", "a/2/3", "b", "c/", "c-1", "c/x", "d"] { try await context.put(name) }
            let top = try await context.store.listAll(context.prefix, delimiter: "/")
            try context.expect(top.objects.map(\.key), ["b", "c-1", "d"].map { context.key($0) }, "keys at the top")
            try context.expect(top.commonPrefixes, ["a/", "c/"].map { context.prefix + $0 }, "prefixes at the top")
            let inside = try await context.store.listAll(context.prefix + "a/", delimiter: "/")
            try context.expect(inside.objects.map(\.key), [context.key("a/1")], "keys in a/")
            try context.expect(inside.commonPrefixes, [context.prefix + "a/2/"], "prefixes in a/")
            let marker = try await context.store.listAll(context.prefix + "c/", delimiter: "/")
            try context.expect(
                marker.objects.map(\.key), [context.key("c/"), context.key("c/x")], "keys in c/, its marker included")
            let partial = try await context.store.listAll(context.prefix + "c", delimiter: "/")
            try context.expect(partial.objects.map(\.key), [context.key("c-1")], "keys that begin with c")
            try context.expect(partial.commonPrefixes, [context.prefix + "c/"], "prefixes that begin with c")
            let nothing = try await context.store.listAll(context.prefix + "nothing/", delimiter: "/")
            try context.expect(
                nothing.objects.isEmpty && nothing.commonPrefixes.isEmpty, "an empty listing is no error")
        },
        Check("list-pages") { context in
            let names = ["a", "b/1", "b/2", "b/3", "c", "d/1", "d/2", "e", "f/1"]
            for name in names { try await context.put(name) }
            for limit in 1...7 {
                for delimiter in [nil, "/"] {
                    var request = ListRequest(prefix: context.prefix, delimiter: delimiter, limit: limit)
                    var keys: [ObjectKey] = []
                    var prefixes: [String] = []
                    var pages = 0
                    repeat {
                        let page = try await context.store.list(request)
                        try context.expect(
                            page.objects.count + page.commonPrefixes.count <= limit,
                            "at most \(limit) entries on a page")
                        keys += page.objects.map(\.key)
                        prefixes += page.commonPrefixes
                        request.continuation = page.next
                        pages += 1
                        try context.expect(pages <= 20, "the listing ends")
                    } while request.continuation != nil
                    let folded = delimiter == nil ? [] : ["b/", "d/", "f/"].map { context.prefix + $0 }
                    let flat = delimiter == nil ? names : ["a", "c", "e"]
                    try context.expect(
                        keys, flat.map { context.key($0) }, "keys by \(limit), delimiter \(delimiter ?? "none")")
                    try context.expect(prefixes, folded, "prefixes by \(limit)")
                }
            }
        },
        Check("list-start-after") { context in
            for name in ["a", "b", "b/1", "b/2", "c", "d/1"] { try await context.put(name) }
            func keys(after name: String) async throws -> [ObjectKey] {
                try await context.store.listAll(context.prefix, startAfter: context.prefix + name, limit: 2).objects
                    .map(\.key)
            }
            try context.expect(
                try await keys(after: "b"), ["b/1", "b/2", "c", "d/1"].map { context.key($0) }, "after a key")
            try context.expect(
                try await keys(after: "b/11"), ["b/2", "c", "d/1"].map { context.key($0) }, "after what is no key")
            try context.expect(try await keys(after: "d/1"), [], "after the last key")
            let folded = try await context.store.listAll(
                context.prefix, delimiter: "/", startAfter: context.prefix + "b/~", limit: 1)
            try context.expect(folded.objects.map(\.key), [context.key("c")], "keys after a prefix")
            try context.expect(folded.commonPrefixes, [context.prefix + "d/"], "prefixes after a prefix")
        },
        Check("key-beside-prefix") { context in
            guard context.profile.takesKeyBesidePrefix else { return }
            try await context.put("n", "file")
            try await context.put("n/x", "below")
            try context.expect(try await context.text("n"), "file", "content of the key")
            try context.expect(try await context.text("n/x"), "below", "content below it")
            let page = try await context.store.listAll(context.prefix, delimiter: "/")
            try context.expect(page.objects.map(\.key), [context.key("n")], "the key")
            try context.expect(page.commonPrefixes, [context.prefix + "n/"], "the prefix")
        },
    ]
}
