internal import ObjectStore

extension StoreConformance {
    /// Keys of every kind that S3 takes.
    static let keyChecks: [Check] = [
        Check("key-characters") { context in
            let names = [
                "space and  two", "plus+", "percent%41%", "amp&<tag>", "quote\"'`", "question?x=1#y", "semi;colon:at@",
                "dollar$comma,equals=", "brackets[]{}()", "star*bang!tilde~", "backslash\\pipe|caret^", "\u{e9}",
                "e\u{301}",
                "\u{1F600}", "日本語", "trailing.", ".hidden", "...", "a/.b/c", String(repeating: "n", count: 255),
            ]
            for name in names { try await context.put(name, "content of " + name) }
            for name in names {
                try context.expect(try await context.text(name), "content of " + name, "content of \(name)")
            }
            let listed = try await context.store.listAll(context.prefix, limit: 3).objects.map(\.key)
            try context.expect(listed, names.map { context.key($0) }.sorted(), "listed keys")
        },
        Check("key-length") { context in
            let room = ObjectKey.maximumLength - context.prefix.utf8.count
            // Components of 200 bytes: some stores put keys into directories.
            let long = String((0..<room).map { $0 % 200 == 199 && $0 < room - 1 ? "/" : "k" })
            try await context.put(long, "x")
            try context.expect(try await context.text(long), "x", "content under a key of 1,024 bytes")
            try context.expect(
                try await context.store.listAll(context.prefix).objects.map(\.key), [context.key(long)], "listed key")
            try await context.expectError([.keyTooLong, .invalidRequest], "a key of 1,025 bytes") {
                try await context.put(long + "k", "x")
            }
        },
        Check("key-odd-components") { context in
            guard context.profile.keepsOddComponents else { return }
            let names = ["a//b", "a/./b", "a/../b", "/lead", ".", "..", "end//"]
            for name in names { try await context.put(name, name) }
            for name in names { try context.expect(try await context.text(name), name, "content of \(name)") }
            let listed = try await context.store.listAll(context.prefix).objects.map(\.key)
            try context.expect(listed, names.map { context.key($0) }.sorted(), "listed keys")
        },
        Check("metadata-values") { context in
            // What s3fs writes, and what else HTTP lets through.
            let user = [
                "mode": "33188", "mtime": "1577934245.500000000", "uid": "0", "empty-ish": "-",
                "xattr": "%7B%22user.k1%22%3A%22djE%3D%22%7D", "punctuation": "a=b; c, \"d\" (e) ~!@#$%^&*|",
            ]
            try await context.put("a", "x", ObjectMetadata(user: user))
            try context.expect(try await context.store.head(context.key("a")).metadata.user, user, "user metadata")
        },
    ]
}
