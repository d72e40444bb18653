internal import ObjectStore

extension StoreConformance {
    /// Multipart uploads. Parts are as large as the store's least part size.
    static let multipartChecks: [Check] = [
        Check("multipart") { context in
            let store = context.store
            let key = context.key("big file")
            let metadata = ObjectMetadata(contentType: "text/x-pail", user: ["mode": "33188"])
            let full = store.features.minimumPartSize
            let contents = [context.bytes(full, seed: 1), context.bytes(full, seed: 2), context.bytes(10, seed: 3)]
            let upload = try await store.createUpload(key, metadata: metadata)
            var parts: [UploadedPart] = []
            // Sent out of order, and the second one twice: the last content of a number counts.
            _ = try await store.uploadPart(upload, number: 5, body: ArrayBody(contents[0]))
            for (number, content) in [(9, contents[2]), (2, contents[0]), (5, contents[1])] {
                parts.append(try await store.uploadPart(upload, number: number, body: ArrayBody(content)))
            }
            try await context.expectError([.notFound], "HEAD before the completion") { _ = try await store.head(key) }
            if context.profile.listsUploads {
                let page = try await store.listUploads(prefix: context.prefix, after: nil)
                try context.expect(page.uploads.map(\.id), [upload.id], "uploads under way")
                try context.expect(page.uploads.map(\.key), [key], "keys of uploads under way")
            }
            parts.sort { $0.number < $1.number }
            let stored = try await store.completeUpload(upload, parts: parts, if: .none)
            let info = try await store.head(key)
            try context.expect(info.size, 2 * full + 10, "size")
            try context.expect(info.metadata.user, metadata.user, "user metadata")
            try context.expect(info.metadata.contentType, metadata.contentType, "Content-Type")
            try context.expect(stored.etag ?? info.etag, info.etag, "ETag of the completion and of HEAD")
            if context.profile.marksPartCount {
                try context.expect(
                    info.etag?.value.hasSuffix("-3") == true, "ETag ends in -3: \(info.etag?.value ?? "")")
            }
            try context.expect(try await store.bytes(of: key) == contents.flatMap { $0 }, "content")
            try context.expect(
                try await store.bytes(of: key, range: full - 5..<full + 5) == contents[0].suffix(5)
                    + contents[1].prefix(5),
                "a range over the border of two parts")
            if context.profile.listsUploads {
                let left = try await store.listUploads(prefix: context.prefix, after: nil)
                try context.expect(left.uploads, [], "uploads under way after the completion")
            }
        },
        Check("multipart-abort") { context in
            let store = context.store
            let key = context.key("a")
            let upload = try await store.createUpload(key, metadata: ObjectMetadata())
            let part = try await store.uploadPart(upload, number: 1, body: ArrayBody([1, 2, 3]))
            try await store.abortUpload(upload)
            try await store.abortUpload(upload)
            try await context.expectError([.noSuchUpload], "completing an aborted upload") {
                _ = try await store.completeUpload(upload, parts: [part], if: .none)
            }
            try await context.expectError([.noSuchUpload], "a part of an aborted upload") {
                _ = try await store.uploadPart(upload, number: 2, body: ArrayBody([1]))
            }
            try await context.expectError([.notFound], "no object came of it") { _ = try await store.head(key) }
        },
        Check("multipart-refused") { context in
            let store = context.store
            let upload = try await store.createUpload(context.key("a"), metadata: ObjectMetadata())
            let one = try await store.uploadPart(upload, number: 1, body: ArrayBody([1]))
            let two = try await store.uploadPart(upload, number: 2, body: ArrayBody([2]))
            let wrong = UploadedPart(number: 1, etag: ETag("00000000000000000000000000000000"))
            try await context.expectError([.invalidRequest], "a part of another content") {
                _ = try await store.completeUpload(upload, parts: [wrong], if: .none)
            }
            if context.profile.checksPartSizes {
                try await context.expectError([.limitExceeded, .invalidRequest], "a first part of one byte") {
                    _ = try await store.completeUpload(upload, parts: [one, two], if: .none)
                }
            }
            try await context.expectError([.notFound], "no object came of it") {
                _ = try await store.head(context.key("a"))
            }
            try await store.abortUpload(upload)
        },
        Check("multipart-conditions") { context in
            guard context.store.features.conditionalCompletions else { return }
            let store = context.store
            let key = context.key("a")
            func make(_ byte: UInt8, if precondition: Precondition) async throws {
                let upload = try await store.createUpload(key, metadata: ObjectMetadata())
                let part = try await store.uploadPart(upload, number: 1, body: ArrayBody([byte]))
                _ = try await store.completeUpload(upload, parts: [part], if: precondition)
            }
            try await make(1, if: .absent)
            try await context.expectError([.preconditionFailed], "a completion over an object with If-None-Match") {
                try await make(2, if: .absent)
            }
            try context.expect(try await store.bytes(of: key), [1], "content after the wrong condition")
            let etag = try await context.etag("a")
            try await make(3, if: .matches(etag))
            try context.expect(try await store.bytes(of: key), [3], "content after the right condition")
            try await context.expectError([.preconditionFailed], "a completion over another version") {
                try await make(4, if: .matches(etag))
            }
            try context.expect(try await store.bytes(of: key), [3], "content after the second wrong condition")
        },
        Check("part-copy") { context in
            guard context.store.features.partCopies else { return }
            let store = context.store
            let full = store.features.minimumPartSize
            let source = context.bytes(full + 100, seed: 7)
            _ = try await store.put(
                context.key("source +é"), body: ArrayBody(source), metadata: ObjectMetadata(), if: .none)
            let etag = try await context.etag("source +é")
            let upload = try await store.createUpload(context.key("a"), metadata: ObjectMetadata())
            let one = try await store.copyPart(
                upload, number: 1, from: context.key("source +é"), range: 50..<full + 50, ifMatch: etag)
            let two = try await store.uploadPart(upload, number: 2, body: ArrayBody([9, 9]))
            let three = try await store.copyPart(
                upload, number: 3, from: context.key("source +é"), range: 0..<7, ifMatch: nil)
            if store.features.conditionalCopies {
                try await context.expectError([.preconditionFailed], "a part copy of another version") {
                    _ = try await store.copyPart(
                        upload, number: 4, from: context.key("source +é"), range: 0..<7,
                        ifMatch: ETag("00000000000000000000000000000000"))
                }
            }
            try await context.expectError([.notFound], "a part copy of a missing key") {
                _ = try await store.copyPart(upload, number: 4, from: context.key("no"), range: 0..<7, ifMatch: nil)
            }
            let parts = context.profile.checksPartSizes ? [one, two] : [one, two, three]
            _ = try await store.completeUpload(upload, parts: parts, if: .none)
            var wanted = source[50..<Int(full) + 50] + [9, 9]
            if parts.count == 3 { wanted += source[0..<7] }
            try context.expect(try await store.bytes(of: context.key("a")) == Array(wanted), "content")
        },
    ]
}
