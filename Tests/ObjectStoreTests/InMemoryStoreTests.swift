import ObjectStore
import ObjectStoreTesting
import Testing

/// What the store in memory does beyond the contract that all stores share.
@Suite struct InMemoryStoreTests {
    private func put(
        _ store: any ObjectStore, _ key: ObjectKey, _ bytes: [UInt8] = [],
        _ metadata: ObjectMetadata = ObjectMetadata(),
        if precondition: Precondition = .none
    ) async throws(StoreError) -> StoredObject {
        try await store.put(key, body: ArrayBody(bytes), metadata: metadata, if: precondition)
    }

    private func error(_ body: () async throws -> Void) async -> StoreError? {
        do { try await body() } catch { return error as? StoreError }
        return nil
    }

    @Test func conditionsOnMissingKeysAnswer404() async throws {
        let store = InMemoryStore(options: .s3.with(minimumPartSize: 1))
        let put = await error { _ = try await self.put(store, "a", if: .matches(ETag("x"))) }
        #expect(put?.kind == .notFound)
        #expect(put?.status == 404)
        #expect(put?.code == "NoSuchKey")
        let delete = await error { try await store.delete("a", if: .matches(ETag("x"))) }
        #expect(delete?.code == "NoSuchKey")
        let upload = try await store.createUpload("a", metadata: ObjectMetadata())
        let part = try await store.uploadPart(upload, number: 1, body: ArrayBody([1]))
        let complete = await error {
            _ = try await store.completeUpload(upload, parts: [part], if: .matches(ETag("x")))
        }
        #expect(complete?.code == "NoSuchKey")
        #expect(store.uploadsUnderWay.count == 1, "a refused completion leaves the upload")
        _ = try await store.completeUpload(upload, parts: [part], if: .absent)
        let again = await error { _ = try await store.completeUpload(upload, parts: [part], if: .none) }
        #expect(again?.kind == .noSuchUpload)
    }

    @Test func timesAreTheClocksWholeSeconds() async throws {
        let clock = ManualStoreClock(Timestamp(seconds: 100, nanoseconds: 999_999_999))
        let store = InMemoryStore(clock: clock)
        let stored = try await put(store, "a")
        #expect(stored.date == Timestamp(seconds: 100))
        #expect(try await store.head("a").lastModified == Timestamp(seconds: 100))
        clock.advance(seconds: 5)
        _ = try await store.copy(CopyRequest(source: "a", destination: "b"))
        #expect(store.info(of: "b")?.lastModified == Timestamp(seconds: 105))
        #expect(store.info(of: "a")?.lastModified == Timestamp(seconds: 100))
    }

    @Test func etagsComeOfTheContent() async throws {
        let store = InMemoryStore()
        var random = SplitMix64(seed: 11)
        var seen: Set<ETag> = []
        for length in 0..<200 {
            let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let etag = store.insert("a", bytes)
            #expect(seen.insert(etag).inserted, "a new content of \(length) bytes")
            #expect(store.insert("b", bytes) == etag)
            // One bit, one more zero, and one less byte make other contents.
            if var changed = Optional(bytes), !changed.isEmpty {
                changed[length / 2] ^= 1
                #expect(store.insert("c", changed) != etag)
            }
            #expect(store.insert("d", bytes + [0]) != etag)
        }
    }

    @Test func copiesOfMultipartContentsHashAnew() async throws {
        let store = InMemoryStore(options: .s3.with(minimumPartSize: 3))
        let upload = try await store.createUpload("a", metadata: ObjectMetadata())
        let parts = [
            try await store.uploadPart(upload, number: 1, body: ArrayBody([1, 2, 3])),
            try await store.uploadPart(upload, number: 2, body: ArrayBody([4])),
        ]
        let stored = try await store.completeUpload(upload, parts: parts, if: .none)
        #expect(stored.etag?.value.hasSuffix("-2") == true)
        let copied = try await store.copy(CopyRequest(source: "a", destination: "b"))
        #expect(copied.etag == store.insert("c", [1, 2, 3, 4]))
        #expect(store.content(of: "b") == [1, 2, 3, 4])
    }

    @Test func refusals() async throws {
        let store = InMemoryStore()
        store.insert("a", [1])
        let cases: [(String, StoreError.Kind, () async throws -> Void)] = [
            ("empty key", .invalidRequest, { _ = try await self.put(store, "") }),
            ("self-copy", .invalidRequest, { _ = try await store.copy(CopyRequest(source: "a", destination: "a")) }),
            ("no keys to delete", .invalidRequest, { _ = try await store.delete([]) }),
            ("1,001 keys", .invalidRequest, { _ = try await store.delete((0...1000).map { ObjectKey("\($0)") }) }),
            ("delete if absent", .notImplemented, { try await store.delete("a", if: .absent) }),
            (
                "a token of another store", .invalidRequest,
                { _ = try await store.list(ListRequest(prefix: "", continuation: ListContinuation(token: "1"))) }
            ),
            ("an empty range", .invalidRequest, { _ = try await store.bytes(of: "a", range: 0..<0) }),
        ]
        for (name, kind, body) in cases {
            #expect(await error(body)?.kind == kind, "\(name)")
        }
        let upload = try await store.createUpload("u", metadata: ObjectMetadata())
        for number in [0, 10_001] {
            let refused = await error { _ = try await store.uploadPart(upload, number: number, body: ArrayBody([1])) }
            #expect(refused?.kind == .invalidRequest)
        }
        let other = MultipartUpload(key: "other", id: upload.id)
        let refused = await error { _ = try await store.uploadPart(other, number: 1, body: ArrayBody([1])) }
        #expect(refused?.kind == .noSuchUpload)
    }

    @Test func bodiesThatCannotBeReadChangeNothing() async throws {
        struct Broken: RequestBody {
            struct Failure: Error {}
            let length: Int64 = 10
            func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
                if offset > 0 { throw Failure() }
                buffer[0] = 1
                return 1
            }
        }
        let store = InMemoryStore()
        let failure = await error {
            _ = try await store.put("a", body: Broken(), metadata: ObjectMetadata(), if: .none)
        }
        #expect(failure?.kind == .bodyUnreadable)
        #expect(store.objectCount == 0)
    }

    @Test func seaweedFSDropsUserMetadataOfDirectories() async throws {
        let store = InMemoryStore(options: .seaweedFS)
        let metadata = ObjectMetadata(contentType: "application/x-directory", user: ["mode": "16877"])
        _ = try await put(store, "d/", [], metadata)
        _ = try await put(store, "f", [], metadata)
        #expect(try await store.head("d/").metadata.user == [:])
        #expect(try await store.head("d/").metadata.contentType == "application/x-directory")
        #expect(try await store.head("f").metadata.user == metadata.user)
        let refused = await error {
            _ = try await store.copy(CopyRequest(source: "d/", destination: "d/", metadata: .replace(metadata)))
        }
        #expect(refused?.kind == .notFound)
    }

    @Test func cancelledTasksHaveNoEffect() async throws {
        let store = InMemoryStore()
        let task = Task { () -> StoreError? in
            withUnsafeCurrentTask { $0?.cancel() }
            return await error { _ = try await self.put(store, "a") }
        }
        #expect(await task.value?.kind == .cancelled)
        #expect(store.objectCount == 0)
    }

    @Test func requestsAreLogged() async throws {
        let store = InMemoryStore()
        _ = try await put(store, "a", [1, 2, 3])
        _ = try? await store.head("b")
        _ = try await store.bytes(of: "a", range: 1..<2)
        #expect(store.log.counts == [.put: 1, .head: 1, .get: 1])
        #expect(store.log.bytesSent == 3)
        #expect(
            store.log.requests == [
                StoreRequest(.put, key: "a", bytesSent: 3), StoreRequest(.head, key: "b"),
                StoreRequest(.get, key: "a", range: 1..<2),
            ])
        store.log.reset()
        #expect(store.log.total == 0)
        store.insert("quiet", [1])
        #expect(store.log.total == 0)
    }

    @Test func uploadsAreListedInPages() async throws {
        var options = InMemoryStore.Options.s3
        options.pageLimit = 2
        let store = InMemoryStore(options: options)
        var made: [MultipartUpload] = []
        for key in ["p/b", "p/a", "q", "p/b", "p/c", "p/b"] as [ObjectKey] {
            made.append(try await store.createUpload(key, metadata: ObjectMetadata()))
        }
        var listed: [MultipartUpload] = []
        var marker: UploadsMarker?
        repeat {
            let page = try await store.listUploads(prefix: "p/", after: marker)
            #expect(page.uploads.count <= 2)
            listed += page.uploads
            marker = page.next
        } while marker != nil
        #expect(listed.map(\.id) == [made[1], made[0], made[3], made[5], made[4]].map(\.id))
    }

    @Test func listingAgreesWithASimpleModel() async throws {
        // Random keys of few letters, so that prefixes, delimiters and markers meet often.
        let seed: UInt64 = 20_261_121
        var random = SplitMix64(seed: seed)
        let letters = ["a", "b", "/", "-", "é"]
        func word(_ most: Int) -> String {
            (0..<Int.random(in: 0...most, using: &random)).map { _ in letters.randomElement(using: &random)! }.joined()
        }
        let store = InMemoryStore()
        var keys: Set<ObjectKey> = []
        for _ in 0..<300 {
            let key = ObjectKey("k" + word(6))
            keys.insert(key)
            store.insert(key)
        }
        let sorted = keys.sorted()
        for round in 0..<300 {
            let prefix = "k" + word(2)
            let delimiter = round % 2 == 0 ? "/" : nil
            let start = round % 3 == 0 ? nil : "k" + word(4)
            let limit = Int.random(in: 1...7, using: &random)
            var wanted: [String] = []
            for key in sorted where key.hasPrefix(prefix) {
                if let start, !(ObjectKey(start) < key) { continue }
                let rest = key.string.utf8.dropFirst(prefix.utf8.count)
                if delimiter != nil, let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
                    let folded = String(decoding: key.string.utf8[...slash], as: UTF8.self)
                    if let start, Array(start.utf8) == Array(folded.utf8) { continue }
                    if wanted.last.map({ Array($0.utf8) }) != Array(folded.utf8) { wanted.append(folded) }
                } else {
                    wanted.append(key.string)
                }
            }
            let found = try await store.listAll(prefix, delimiter: delimiter, startAfter: start, limit: limit)
            let merged = (found.objects.map(\.key) + found.commonPrefixes.map { ObjectKey($0) }).sorted()
            #expect(
                merged == wanted.map { ObjectKey($0) }.sorted(),
                "seed \(seed), round \(round): prefix \(prefix), start \(start ?? "none"), limit \(limit)")
        }
    }

    @Test func manyKeysListInPages() async throws {
        // 100,000 in random order, the rest in order: one sorted array would make this quadratic.
        var random = SplitMix64(seed: 5)
        let store = InMemoryStore()
        func key(_ number: Int) -> ObjectKey { ObjectKey("d/" + String(10_000_000 + number)) }
        for number in Array(0..<100_000).shuffled(using: &random) { store.insert(key(number)) }
        for number in 100_000..<300_000 { store.insert(key(number)) }
        #expect(store.objectCount == 300_000)
        var request = ListRequest(prefix: "d/", delimiter: "/")
        var count = 0
        repeat {
            let page = try await store.list(request)
            for object in page.objects {
                if object.key != key(count) {
                    Issue.record("entry \(count) is \(object.key)")
                    return
                }
                count += 1
            }
            request.continuation = page.next
        } while request.continuation != nil
        #expect(count == 300_000)
        #expect(store.log.count(.list) == 300)
    }
}
