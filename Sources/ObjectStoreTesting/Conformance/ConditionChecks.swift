internal import ObjectStore

extension StoreConformance {
    /// Conditions: each from both sides. What a store ignores by its features is not asked of it.
    static let conditionChecks: [Check] = [
        Check("get-if-match") { context in
            try await context.put("a", "one")
            let etag = try await context.etag("a")
            try context.expect(
                try await context.store.bytes(of: context.key("a"), ifMatch: etag), Array("one".utf8),
                "the right version")
            try await context.put("a", "two")
            guard context.store.features.conditionalReads, !context.profile.keepsReadVersions else { return }
            let sink = CollectingSink()
            try await context.expectError([.preconditionFailed], "GET of another version") {
                try await context.store.get(context.key("a"), range: 0..<2, ifMatch: etag, into: sink)
            }
            try context.expect(sink.bytes, [], "no byte of another version")
        },
        Check("put-if-absent") { context in
            let key = context.key("a")
            _ = try await context.store.put(key, body: ArrayBody([1]), metadata: ObjectMetadata(), if: .absent)
            guard context.store.features.conditionalWrites else { return }
            try await context.expectError([.preconditionFailed], "a second PUT") {
                _ = try await context.store.put(key, body: ArrayBody([2]), metadata: ObjectMetadata(), if: .absent)
            }
            try context.expect(try await context.store.bytes(of: key), [1], "content")
        },
        Check("put-if-match") { context in
            let key = context.key("a")
            try await context.put("a", "one")
            let first = try await context.etag("a")
            let two = ArrayBody(Array("two".utf8))
            _ = try await context.store.put(key, body: two, metadata: ObjectMetadata(), if: .matches(first))
            try context.expect(try await context.text("a"), "two", "content under the right condition")
            guard context.store.features.conditionalWrites else { return }
            try await context.expectError([.preconditionFailed], "PUT over another version") {
                let three = ArrayBody(Array("three".utf8))
                _ = try await context.store.put(key, body: three, metadata: ObjectMetadata(), if: .matches(first))
            }
            try context.expect(try await context.text("a"), "two", "content after the wrong condition")
            try await context.expectError(context.profile.missingMatch, "PUT over a missing key") {
                _ = try await context.store.put(
                    context.key("no"), body: two, metadata: ObjectMetadata(), if: .matches(first))
            }
            try await context.expectError([.notFound], "nothing was made") {
                _ = try await context.store.head(context.key("no"))
            }
        },
        Check("delete-if-match") { context in
            try await context.put("a", "one")
            let first = try await context.etag("a")
            try await context.put("a", "two")
            let second = try await context.etag("a")
            if context.store.features.conditionalDeletes {
                try await context.expectError([.preconditionFailed], "DELETE of another version") {
                    try await context.store.delete(context.key("a"), if: .matches(first))
                }
                try context.expect(try await context.text("a"), "two", "content after the wrong condition")
            }
            try await context.store.delete(context.key("a"), if: .matches(second))
            try await context.expectError([.notFound], "HEAD after DELETE") {
                _ = try await context.store.head(context.key("a"))
            }
            guard context.store.features.conditionalDeletes, !context.profile.deletesMissingMatch else { return }
            try await context.expectError(context.profile.missingMatch, "DELETE of a missing key") {
                try await context.store.delete(context.key("a"), if: .matches(second))
            }
        },
        Check("one-winner") { context in
            guard context.store.features.conditionalWrites else { return }
            let key = context.key("lock")
            let store = context.store
            let winners = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        let body = ArrayBody([UInt8(number)])
                        return (try? await store.put(key, body: body, metadata: ObjectMetadata(), if: .absent)) != nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            try context.expect(winners, 1, "tasks that made the same key with If-None-Match")
        },
    ]
}
