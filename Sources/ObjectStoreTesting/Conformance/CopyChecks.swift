internal import ObjectStore

extension StoreConformance {
    /// CopyObject.
    static let copyChecks: [Check] = [
        Check("copy-keep") { context in
            let metadata = ObjectMetadata(contentType: "text/x-pail", user: ["mode": "33188"])
            try await context.put("a b+c", "content", metadata)
            _ = try await context.store.copy(
                CopyRequest(source: context.key("a b+c"), destination: context.key("é/%41")))
            let info = try await context.store.head(context.key("é/%41"))
            try context.expect(info.metadata.user, metadata.user, "user metadata")
            try context.expect(info.metadata.contentType, metadata.contentType, "Content-Type")
            try context.expect(try await context.text("é/%41"), "content", "content")
            try context.expect(try await context.text("a b+c"), "content", "the source")
        },
        Check("copy-replace") { context in
            try await context.put("a", "content", ObjectMetadata(contentType: "text/x-old", user: ["old": "1"]))
            let etag = try await context.etag("a")
            let new = ObjectMetadata(contentType: "text/x-new", user: ["new": "2"])
            let stored = try await context.store.copy(
                CopyRequest(source: context.key("a"), destination: context.key("a"), metadata: .replace(new)))
            let info = try await context.store.head(context.key("a"))
            try context.expect(info.metadata.user, new.user, "user metadata after a copy onto itself")
            try context.expect(info.metadata.contentType, new.contentType, "Content-Type after a copy onto itself")
            try context.expect(info.etag, etag, "the content's ETag")
            try context.expect(stored.etag ?? etag, etag, "the ETag that the copy told")
            try context.expect(try await context.text("a"), "content", "content")
        },
        Check("copy-if-match") { context in
            try await context.put("a", "one")
            let first = try await context.etag("a")
            _ = try await context.store.copy(
                CopyRequest(source: context.key("a"), sourceMatches: first, destination: context.key("b")))
            try context.expect(try await context.text("b"), "one", "content under the right condition")
            try await context.put("a", "two")
            guard context.store.features.conditionalCopies else { return }
            try await context.expectError([.preconditionFailed], "a copy of another version") {
                _ = try await context.store.copy(
                    CopyRequest(source: context.key("a"), sourceMatches: first, destination: context.key("b")))
            }
            try context.expect(try await context.text("b"), "one", "content after the wrong condition")
        },
        Check("copy-missing") { context in
            try await context.expectError([.notFound], "a copy of a missing key") {
                _ = try await context.store.copy(
                    CopyRequest(source: context.key("no"), destination: context.key("b")))
            }
            try await context.expectError([.notFound], "nothing was made") {
                _ = try await context.store.head(context.key("b"))
            }
        },
        Check("copy-directory-marker") { context in
            guard context.profile.copiesDirectoryOntoItself else { return }
            let metadata = ObjectMetadata(contentType: "application/x-directory", user: ["mode": "16877"])
            try await context.put("d/", "", metadata)
            var changed = metadata
            changed.user["mode"] = "16832"
            _ = try await context.store.copy(
                CopyRequest(source: context.key("d/"), destination: context.key("d/"), metadata: .replace(changed)))
            guard context.store.features.directoryMetadata else { return }
            try context.expect(try await context.store.head(context.key("d/")).metadata.user, changed.user, "metadata")
        },
    ]
}
