import Synchronization

/// The probe's groups of requests: each asks for one capability from both sides, on objects of its own.
extension StoreProbe {
    /// A version that no object has.
    private static let wrong = ETag("00000000000000000000000000000000")

    // MARK: Groups

    /// PUT with `If-None-Match: *` and `If-Match`: 6 requests.
    func writes() async throws(StoreError) -> Findings {
        var verdict = try await expectAccepted { () async throws(StoreError) in
            _ = try await put("write", "one", if: .absent)
        }
        verdict = verdict.and(
            try await expectRefused { () async throws(StoreError) in _ = try await put("write", "two", if: .absent) })
        verdict = verdict.and(
            try await expectRefused { () async throws(StoreError) in
                _ = try await put("write", "three", if: .matches(Self.wrong))
            })
        // Whatever was refused above: something is there now.
        _ = try await put("write", "four")
        guard let etag = try await store.head(key("write")).etag else { return [.conditionalWrites: .lacking] }
        verdict = verdict.and(
            try await expectAccepted { () async throws(StoreError) in
                _ = try await put("write", "five", if: .matches(etag))
            })
        if verdict == .honoured, try await content("write") != "five" { verdict = .lacking }
        return [.conditionalWrites: verdict]
    }

    /// CompleteMultipartUpload with `If-None-Match: *` and `If-Match`: 4 uploads of 3 requests, and 2 HEADs.
    func completions() async throws(StoreError) -> Findings {
        var verdict = try await complete("complete", "one", if: .absent, isRight: true)
        verdict = verdict.and(try await complete("complete", "two", if: .absent, isRight: false))
        verdict = verdict.and(try await complete("complete", "three", if: .matches(Self.wrong), isRight: false))
        _ = try await put("complete", "four")
        guard let etag = try await store.head(key("complete")).etag else { return [.conditionalCompletions: .lacking] }
        verdict = verdict.and(try await complete("complete", "five", if: .matches(etag), isRight: true))
        if verdict == .honoured, try await content("complete") != "five" { verdict = .lacking }
        return [.conditionalCompletions: verdict]
    }

    /// GET with `If-Match`: 4 requests.
    func reads() async throws(StoreError) -> Findings {
        _ = try await put("read", "content")
        guard let etag = try await store.head(key("read")).etag else { return [.conditionalReads: .lacking] }
        var verdict = try await expectRefused { () async throws(StoreError) in
            _ = try await content("read", ifMatch: Self.wrong)
        }
        verdict = verdict.and(
            try await expect { () async throws(StoreError) in try await content("read", ifMatch: etag) == "content" })
        return [.conditionalReads: verdict]
    }

    /// CopyObject with `x-amz-copy-source-if-match`, and onto itself with new metadata: 8 requests.
    func copies() async throws(StoreError) -> Findings {
        _ = try await put("source", "content", metadata: ["probe": "old"])
        let source = key("source")
        guard let etag = try await store.head(source).etag else {
            return [.conditionalCopies: .lacking, .selfCopies: .lacking]
        }
        var conditions = try await expectRefused { () async throws(StoreError) in
            _ = try await store.copy(
                CopyRequest(source: source, sourceMatches: Self.wrong, destination: key("copy")))
        }
        conditions = conditions.and(
            try await expect { () async throws(StoreError) in
                _ = try await store.copy(CopyRequest(source: source, sourceMatches: etag, destination: key("copy")))
                return try await content("copy") == "content"
            })
        let replacing = ObjectMetadata(contentType: "text/plain", user: ["probe": "new"])
        let selfCopy = try await expect { () async throws(StoreError) in
            _ = try await store.copy(
                CopyRequest(source: source, destination: source, metadata: .replace(replacing)))
            let info = try await store.head(source)
            return try await content("source") == "content" && info.metadata.user["probe"] == "new"
        }
        return [.conditionalCopies: conditions, .selfCopies: selfCopy]
    }

    /// CopyObject with conditions for its destination: 8 requests.
    func copyTargets() async throws(StoreError) -> Findings {
        _ = try await put("from", "content")
        _ = try await put("to", "other")
        let (source, target) = (key("from"), key("to"))
        guard let etag = try await store.head(target).etag else { return [.conditionalCopyTargets: .lacking] }
        var verdict = Verdict.honoured
        for condition in [Precondition.absent, .matches(Self.wrong)] {
            verdict = verdict.and(
                try await expectRefused { () async throws(StoreError) in
                    _ = try await store.copy(
                        CopyRequest(source: source, destination: target, precondition: condition))
                })
        }
        guard verdict == .honoured else { return [.conditionalCopyTargets: verdict] }
        for (name, condition) in [("to", Precondition.matches(etag)), ("new", .absent)] {
            verdict = verdict.and(
                try await expect { () async throws(StoreError) in
                    _ = try await store.copy(
                        CopyRequest(source: source, destination: key(name), precondition: condition))
                    return try await content(name) == "content"
                })
        }
        return [.conditionalCopyTargets: verdict]
    }

    /// DELETE with `If-Match`: 5 requests.
    func deletes() async throws(StoreError) -> Findings {
        _ = try await put("delete", "content")
        let target = key("delete")
        guard let etag = try await store.head(target).etag else { return [.conditionalDeletes: .lacking] }
        var verdict = try await expectRefused { () async throws(StoreError) in
            try await store.delete(target, if: .matches(Self.wrong))
        }
        // A store may refuse and delete all the same.
        if try await isGone(target) { return [.conditionalDeletes: verdict.and(.lacking)] }
        verdict = verdict.and(
            try await expect { () async throws(StoreError) in
                try await store.delete(target, if: .matches(etag))
                return try await isGone(target)
            })
        return [.conditionalDeletes: verdict]
    }

    /// UploadPartCopy, with and without its condition: 9 requests.
    func partCopies() async throws(StoreError) -> Findings {
        let text = "content to be copied"
        _ = try await put("part-source", text)
        let source = key("part-source")
        let etag = try await store.head(source).etag
        var upload: MultipartUpload?
        let range = 0..<Int64(text.utf8.count - 3)
        let works = try await expect { () async throws(StoreError) in
            let begun = try await store.createUpload(key("parts"), metadata: ObjectMetadata())
            upload = begun
            let part = try await store.copyPart(begun, number: 1, from: source, range: range, ifMatch: etag)
            _ = try await store.completeUpload(begun, parts: [part], if: .none)
            return try await content("parts") == "content to be cop"
        }
        guard works == .honoured else {
            if let upload { try? await store.abortUpload(upload) }
            return [.partCopies: works]
        }
        let other = try await store.createUpload(key("parts"), metadata: ObjectMetadata())
        let condition = try await expectRefused { () async throws(StoreError) in
            _ = try await store.copyPart(other, number: 1, from: source, range: range, ifMatch: Self.wrong)
        }
        try? await store.abortUpload(other)
        // The copies' group has its own word on the condition; the worse of both counts.
        return [.partCopies: .honoured, .conditionalCopies: condition]
    }

    /// User metadata on `dir/`: 2 requests.
    func directories() async throws(StoreError) -> Findings {
        [
            .directoryMetadata: try await expect { () async throws(StoreError) in
                _ = try await put("directory/", "", metadata: ["probe": "kept"])
                return try await store.head(key("directory/")).metadata.user["probe"] == "kept"
            }
        ]
    }

    // MARK: Steps

    private func key(_ name: String) -> ObjectKey { ObjectKey(prefix + name) }

    func put(_ name: String, _ text: String, metadata: [String: String] = [:], if precondition: Precondition = .none)
        async throws(StoreError) -> StoredObject
    {
        try await store.put(
            key(name), body: ArrayBody(Array(text.utf8)),
            metadata: ObjectMetadata(contentType: "text/plain", user: metadata), if: precondition)
    }

    private func content(_ name: String, ifMatch: ETag? = nil) async throws(StoreError) -> String {
        let sink = ProbeSink()
        try await store.get(key(name), range: nil, ifMatch: ifMatch, into: sink)
        return sink.text
    }

    private func isGone(_ key: ObjectKey) async throws(StoreError) -> Bool {
        do throws(StoreError) {
            _ = try await store.head(key)
            return false
        } catch {
            guard error.kind == .notFound else { throw error }
            return true
        }
    }

    private func complete(_ name: String, _ text: String, if condition: Precondition, isRight: Bool)
        async throws(StoreError) -> Verdict
    {
        let upload = try await store.createUpload(key(name), metadata: ObjectMetadata())
        let part = try await store.uploadPart(upload, number: 1, body: ArrayBody(Array(text.utf8)))
        if isRight {
            return try await expectAccepted { () async throws(StoreError) in
                _ = try await store.completeUpload(upload, parts: [part], if: condition)
            }
        }
        let verdict = try await expectRefused { () async throws(StoreError) in
            _ = try await store.completeUpload(upload, parts: [part], if: condition)
        }
        try? await store.abortUpload(upload)
        return verdict
    }

    // MARK: Verdicts

    /// A request that must succeed.
    private func expectAccepted(_ body: () async throws(StoreError) -> Void) async throws(StoreError) -> Verdict {
        try await expect { () async throws(StoreError) in
            try await body()
            return true
        }
    }

    /// Something that must come true.
    private func expect(_ body: () async throws(StoreError) -> Bool) async throws(StoreError) -> Verdict {
        do throws(StoreError) { return try await body() ? .honoured : .lacking } catch { return try verdict(on: error) }
    }

    /// A request whose condition does not hold.
    private func expectRefused(_ body: () async throws(StoreError) -> Void) async throws(StoreError) -> Verdict {
        do throws(StoreError) {
            try await body()
            return .lacking
        } catch {
            // After an answer that got lost the refusal may be of the repetition: it says nothing.
            if error.kind == .preconditionFailed { return error.isAmbiguous ? .failed : .honoured }
            return try verdict(on: error)
        }
    }

    /// What an error that is not the refusal looked for says; throws it where it says nothing.
    func verdict(on error: StoreError) throws(StoreError) -> Verdict {
        switch error.kind {
        case .unreachable, .timedOut, .throttled, .tls, .cancelled, .noSuchBucket: throw error
        case .serverError, .accessDenied, .bodyUnreadable: return .failed
        case .preconditionFailed: return error.isAmbiguous ? .failed : .lacking
        default: return .lacking
        }
    }
}

/// Collects the few bytes of a probe's object.
private final class ProbeSink: DownloadSink {
    private let bytes = Mutex<[UInt8]>([])

    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) {}

    func receive(_ piece: UnsafeRawBufferPointer) {
        // More than was put is not the probe's object; it need not be kept to be another one.
        bytes.withLock { if $0.count < 4096 { $0 += piece } }
    }
}
