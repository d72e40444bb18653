internal import ObjectStore

extension StoreConformance {
    /// HEAD, GET, PUT and DELETE without conditions.
    static let objectChecks: [Check] = [
        Check("put-head-get") { context in
            var metadata = ObjectMetadata(contentType: "text/x-pail", user: ["mode": "33188", "mtime": "1.000000005"])
            if context.profile.keepsContentHeaders {
                metadata.cacheControl = "max-age=60"
                metadata.contentDisposition = "attachment; filename=\"a b\""
                metadata.contentEncoding = "identity"
                metadata.contentLanguage = "en"
                metadata.expires = "Thu, 01 Dec 2033 16:00:00 GMT"
            }
            let stored = try await context.put("a", "hello", metadata)
            let info = try await context.store.head(context.key("a"))
            try context.expect(info.size, 5, "size")
            try context.expect(info.etag != nil, "a HEAD gives an ETag")
            try context.expect(stored.etag ?? info.etag!, info.etag!, "ETag of PUT and HEAD")
            try context.expect(info.metadata.contentType, metadata.contentType, "Content-Type")
            try context.expect(info.metadata.user, metadata.user, "user metadata")
            if context.profile.keepsContentHeaders {
                try context.expect(info.metadata.cacheControl, metadata.cacheControl, "Cache-Control")
                try context.expect(
                    info.metadata.contentDisposition, metadata.contentDisposition, "Content-Disposition")
                try context.expect(info.metadata.contentEncoding, metadata.contentEncoding, "Content-Encoding")
                try context.expect(info.metadata.contentLanguage, metadata.contentLanguage, "Content-Language")
                try context.expect(info.metadata.expires, metadata.expires, "Expires")
            }
            let sink = CollectingSink()
            let got = try await context.store.get(context.key("a"), range: nil, ifMatch: nil, into: sink)
            try context.expect(sink.bytes, Array("hello".utf8), "content")
            try context.expect(sink.range, 0..<5, "range that the sink was told")
            try context.expect(sink.beginnings, 1, "calls of begin")
            try context.expect(got.etag, info.etag, "ETag of GET")
            try context.expect(got.metadata.user, metadata.user, "user metadata of GET")
            try context.expect(got.lastModified, info.lastModified, "LastModified of GET")
        },
        Check("empty-object") { context in
            try await context.put("empty")
            try context.expect(try await context.store.head(context.key("empty")).size, 0, "size")
            let sink = CollectingSink()
            try await context.store.get(context.key("empty"), range: nil, ifMatch: nil, into: sink)
            try context.expect(sink.bytes, [], "content")
            try context.expect(sink.beginnings, 1, "calls of begin")
            try await context.expectError([.rangeNotSatisfiable], "a range of an empty object") {
                _ = try await context.store.bytes(of: context.key("empty"), range: 0..<1)
            }
        },
        Check("ranges") { context in
            try await context.put("a", "0123456789")
            let wanted: [(Range<Int64>, String)] = [
                (0..<1, "0"), (0..<10, "0123456789"), (3..<7, "3456"), (9..<10, "9"), (8..<1000, "89"),
                (0..<1000, "0123456789"),
            ]
            for (range, text) in wanted {
                let sink = CollectingSink()
                let info = try await context.store.get(context.key("a"), range: range, ifMatch: nil, into: sink)
                try context.expect(sink.bytes, Array(text.utf8), "bytes of \(range)")
                try context.expect(sink.range, range.clamped(to: 0..<10), "range that the sink was told for \(range)")
                try context.expect(info.size, 10, "whole size told with \(range)")
            }
            for range in [10..<11, 100..<200] as [Range<Int64>] {
                try await context.expectError([.rangeNotSatisfiable], "range \(range)") {
                    _ = try await context.store.bytes(of: context.key("a"), range: range)
                }
            }
        },
        Check("replace") { context in
            let first = try await context.put("a", "one", ObjectMetadata(user: ["x": "1"]))
            let before = try await context.etag("a")
            let second = try await context.put("a", "two!", ObjectMetadata(user: ["y": "2"]))
            let after = try await context.store.head(context.key("a"))
            try context.expect(first.etag != second.etag || first.etag == nil, "another content has another ETag")
            try context.expect(before != after.etag, "another content has another ETag at HEAD")
            try context.expect(after.metadata.user, ["y": "2"], "metadata is replaced, not merged")
            try context.expect(try await context.text("a"), "two!", "content")
            guard context.profile.tellsEqualContents else { return }
            try await context.put("a", "one")
            try context.expect(try await context.etag("a"), before, "the same content has the same ETag again")
        },
        Check("missing") { context in
            try await context.expectError([.notFound], "HEAD") {
                _ = try await context.store.head(context.key("no"))
            }
            try await context.expectError([.notFound], "GET") {
                _ = try await context.store.bytes(of: context.key("no"))
            }
            try await context.store.delete(context.key("no"), if: .none)
        },
        Check("delete") { context in
            try await context.put("a", "x")
            try await context.put("b", "y")
            try await context.store.delete(context.key("a"), if: .none)
            try await context.expectError([.notFound], "HEAD after DELETE") {
                _ = try await context.store.head(context.key("a"))
            }
            try context.expect(try await context.text("b"), "y", "the neighbour")
        },
        Check("delete-many") { context in
            let names = ["a", "b & <c>", "d/e", "d/é", "quote\"'", "z z"]
            for name in names { try await context.put(name, name) }
            try await context.put("keep")
            let keys = names.map { context.key($0) } + [context.key("never-there")]
            let failed = try await context.store.delete(keys)
            try context.expect(failed.isEmpty, "all are deleted: \(failed)")
            try context.expect(
                try await context.store.listAll(context.prefix).objects.map(\.key), [context.key("keep")],
                "what is left")
        },
        Check("metadata-limit") { context in
            let right = ObjectMetadata(user: ["a": String(repeating: "v", count: 2000)])
            try await context.put("a", "x", right)
            try context.expect(try await context.store.head(context.key("a")).metadata.user, right.user, "2,001 bytes")
            guard context.profile.limitsMetadata else { return }
            try await context.expectError([.limitExceeded, .invalidRequest], "2,100 bytes") {
                try await context.put("b", "x", ObjectMetadata(user: ["a": String(repeating: "v", count: 2099)]))
            }
        },
        Check("directory-marker") { context in
            let metadata = ObjectMetadata(contentType: "application/x-directory", user: ["mode": "16877"])
            try await context.put("d/", "", metadata)
            let info = try await context.store.head(context.key("d/"))
            try context.expect(info.size, 0, "size")
            try context.expect(info.metadata.contentType, metadata.contentType, "Content-Type")
            if context.store.features.directoryMetadata {
                try context.expect(info.metadata.user, metadata.user, "user metadata of a marker")
            }
            try await context.expectError([.notFound], "the key without its slash") {
                _ = try await context.store.head(context.key("d"))
            }
        },
    ]
}
