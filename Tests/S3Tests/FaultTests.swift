import Logging
import ObjectStore
import Testing

@testable import S3

/// Answers that are late, cut, wrong, or not there.
@Suite struct FaultTests {
    private func store(_ server: ScriptedServer, _ change: (inout S3Configuration) -> Void = { _ in }) -> S3Store {
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(server.port)", region: "us-east-1", bucket: "bucket", addressing: .path)
        configuration.retryBaseDelay = .milliseconds(5)
        configuration.retryMaxDelay = .milliseconds(20)
        // On a machine with much to do, a minute goes by between two lines of a test.
        configuration.requestDeadline = .seconds(3600)
        configuration.attemptTimeout = .seconds(3600)
        change(&configuration)
        let credentials = Credentials(accessKeyID: "AKIA", secretAccessKey: "secret")
        return S3Store(
            configuration: configuration, credentials: StaticCredentials(credentials), logger: Logger(label: "test"))
    }

    @Test("503, then 200") func slowDown() async throws {
        let server = ScriptedServer { number, _ in
            number < 2
                ? [.send(answer("503 Slow Down", [], "<Error><Code>SlowDown</Code></Error>"))]
                : [.send(answer("200 OK", objectHeaders + ["x-amz-meta-a: 1"], "")), .close]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let sink = CollectingSink()
        let info = try await store.get("k", range: nil, ifMatch: nil, into: sink)
        #expect(info.metadata.user == ["a": "1"])
        #expect(server.requests.count == 3)
        #expect(store.statistics.retries == 2)
        #expect(sink.begins.count == 1)
    }

    @Test("503 to the last attempt") func throttled() async {
        let server = ScriptedServer { _, _ in
            [.send(answer("503 Slow Down", [], "<Error><Code>SlowDown</Code></Error>"))]
        }
        defer { server.stop() }
        let store = store(server) { $0.maxAttempts = 3 }
        defer { store.shutdown() }
        let thrown = await error { try await store.head("k") }
        #expect(thrown?.kind == .throttled)
        #expect(server.requests.count == 3)
    }

    @Test("an error in a 200 answer") func errorInGoodStatus() async throws {
        let server = ScriptedServer { number, _ in
            number == 0
                ? [.send(answer("200 OK", [], "<Error><Code>InternalError</Code><Message>again</Message></Error>"))]
                : [
                    .send(
                        answer(
                            "200 OK", [],
                            "   \n<?xml version=\"1.0\"?><CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"))
                ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let stored = try await store.copy(CopyRequest(source: "a", destination: "b"))
        #expect(stored.etag == ETag("e"))
        #expect(server.requests.count == 2)
    }

    @Test("a final error in a 200 answer") func finalErrorInGoodStatus() async {
        let server = ScriptedServer { _, _ in
            [.send(answer("200 OK", [], "<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>"))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let upload = MultipartUpload(key: "k", id: "u")
        let thrown = await error { try await store.completeUpload(upload, parts: [], if: .none) }
        #expect(thrown?.kind == .noSuchUpload)
        #expect(server.requests.count == 1)
    }

    @Test("a download goes on where it broke", arguments: [true, false]) func resume(_ reset: Bool) async throws {
        let content = patterned(100_000)
        let server = ScriptedServer { number, request in
            if number == 0 {
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\(objectHeaders.joined(separator: "\r\n"))\r\n\r\n"
                return [
                    .send(head), .bytes(Array(content[..<40_000])), .pause(milliseconds: 50), reset ? .reset : .close,
                ]
            }
            let from = Int(request.headers["range"]!.dropFirst(6).split(separator: "-")[0])!
            let head =
                "HTTP/1.1 206 Partial Content\r\nContent-Length: \(100_000 - from)\r\n"
                + "Content-Range: bytes \(from)-99999/100000\r\n\(objectHeaders.joined(separator: "\r\n"))\r\n\r\n"
            return [.send(head), .bytes(Array(content[from...]))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let sink = CollectingSink()
        try await store.get("k", range: nil, ifMatch: nil, into: sink)
        #expect(sink.bytes == content)
        #expect(sink.begins.count == 1)
        #expect(server.requests.count == 2)
        #expect(server.requests[1].headers["if-match"] == "\"v1\"")
    }

    @Test("two versions are never mixed") func replacedWhileRead() async {
        let server = ScriptedServer { number, _ in
            if number == 0 {
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\(objectHeaders.joined(separator: "\r\n"))\r\n\r\n"
                return [.send(head), .bytes([1, 2, 3]), .close]
            }
            // A store that ignores If-Match.
            let head =
                "HTTP/1.1 206 Partial Content\r\nContent-Length: 997\r\nContent-Range: bytes 3-999/1000\r\n"
                + "ETag: \"v2\"\r\nLast-Modified: Wed, 12 Oct 2009 17:50:00 GMT\r\n\r\n"
            return [.send(head), .bytes([UInt8](repeating: 9, count: 997))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let sink = CollectingSink()
        let thrown = await error { try await store.get("k", range: nil, ifMatch: nil, into: sink) }
        #expect(thrown?.kind == .preconditionFailed)
        #expect(sink.bytes == [1, 2, 3])
    }

    @Test("a wrong Content-Range") func wrongRange() async {
        let server = ScriptedServer { _, _ in
            [.send(answer("206 Partial Content", objectHeaders + ["Content-Range: bytes 0-4/100"], "01234"))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let sink = CollectingSink()
        let thrown = await error { try await store.get("k", range: 10..<15, ifMatch: nil, into: sink) }
        #expect(thrown?.kind == .badResponse)
        #expect(sink.begins.isEmpty && sink.bytes.isEmpty)
    }

    @Test("a server that ignores Range") func ignoredRange() async throws {
        let server = ScriptedServer { _, _ in [.send(answer("200 OK", objectHeaders, "0123456789"))] }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let sink = CollectingSink()
        try await store.get("k", range: 3..<6, ifMatch: nil, into: sink)
        #expect(sink.bytes == Array("345".utf8))
        #expect(sink.begins.first?.1 == 3..<6)
        #expect(sink.begins.first?.0.size == 10)
    }

    @Test("a stalled body ends at the stall limit and is asked for again") func stall() async throws {
        let server = ScriptedServer { number, _ in
            number == 0
                ? [
                    .send(
                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\(objectHeaders.joined(separator: "\r\n"))\r\n\r\n12"),
                    .pause(milliseconds: 8000),
                ]
                : [.send(answer("206 Partial Content", objectHeaders + ["Content-Range: bytes 2-4/5"], "345"))]
        }
        defer { server.stop() }
        let store = store(server) { $0.stallLimit = .seconds(1) }
        defer { store.shutdown() }
        let sink = CollectingSink()
        try await store.get("k", range: nil, ifMatch: nil, into: sink)
        #expect(sink.bytes == Array("12345".utf8))
        #expect(server.requests.count == 2)
    }

    @Test("no answer at all ends at the deadline") func deadline() async {
        let server = ScriptedServer { _, _ in [.pause(milliseconds: 5000)] }
        defer { server.stop() }
        let store = store(server) { $0.requestDeadline = .milliseconds(400) }
        defer { store.shutdown() }
        let thrown = await error { try await store.head("k") }
        #expect(thrown?.kind == .timedOut)
    }

    @Test("nothing listens") func refusedConnection() async {
        let port = freePorts(1)[0]
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(port)", region: "r", bucket: "bucket", addressing: .path)
        configuration.retryMaxDelay = .milliseconds(1)
        let store = S3Store(
            configuration: configuration, credentials: StaticCredentials(nil), logger: Logger(label: "test"))
        defer { store.shutdown() }
        #expect(await error { try await store.checkBucket() }?.kind == .unreachable)
    }

    @Test("an endpoint that is no S3", arguments: ["200 OK", "404 Not Found"]) func html(_ status: String) async {
        let server = ScriptedServer { _, _ in
            [.send(answer(status, ["Content-Type: text/html"], "<!DOCTYPE html><html><body>Welcome</body></html>"))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let thrown = await error { try await store.checkBucket() }
        #expect(thrown?.kind == .badResponse)
        #expect(thrown?.message.contains("the endpoint does not speak S3 (it answered HTML)") == true)
    }

    @Test("an endpoint that is no HTTP") func noHTTP() async {
        let server = ScriptedServer { _, _ in [.send("220 mail.example ESMTP\r\n"), .close] }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        #expect(await error { try await store.checkBucket() }?.kind == .badResponse)
    }

    @Test("a connection closed while idle is replaced at once") func stale() async throws {
        let server = ScriptedServer { number, _ in
            number == 0
                ? [.send(answer("200 OK", objectHeaders)), .pause(milliseconds: 20), .close]
                : [.send(answer("200 OK", objectHeaders))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        _ = try await store.head("k")
        try await Task.sleep(for: .milliseconds(100))
        _ = try await store.head("k")
        #expect(server.connectionCount == 2)
    }

    @Test("a mutation that got no answer leaves its mark on the final error") func ambiguous() async throws {
        let server = ScriptedServer { number, _ in
            number == 0
                ? [.close]
                : [.send(answer("412 Precondition Failed", [], "<Error><Code>PreconditionFailed</Code></Error>"))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let thrown = await error {
            try await store.put("k", body: ArrayBody(patterned(1000)), metadata: ObjectMetadata(), if: .absent)
        }
        #expect(thrown?.kind == .preconditionFailed)
        #expect(thrown?.isAmbiguous == true)
        try #require(server.requests.count == 2)
        #expect(server.requests[1].body == patterned(1000))
    }

    @Test("a repetition on a fresh connection is ambiguous too") func ambiguousReuse() async throws {
        let server = ScriptedServer { number, request in
            switch number {
            case 0: [.send(answer("200 OK", objectHeaders))]
            // libcurl sends this one again by itself.
            case 1: [.close]
            default: [.send(answer("412 Precondition Failed", [], "<Error><Code>PreconditionFailed</Code></Error>"))]
            }
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        _ = try await store.head("k")
        let thrown = await error { try await store.delete("k", if: .matches(ETag("v1"))) }
        #expect(thrown?.kind == .preconditionFailed)
        #expect(thrown?.isAmbiguous == true)
    }

    @Test("a cancelled task ends its transfer") func cancellation() async throws {
        let server = ScriptedServer { _, _ in
            [
                .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\(objectHeaders.joined(separator: "\r\n"))\r\n\r\n12"),
                .pause(milliseconds: 20_000),
            ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let sink = CollectingSink()
        let task = Task { try await store.get("k", range: nil, ifMatch: nil, into: sink) }
        while sink.bytes.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        let result = await task.result
        #expect(throws: StoreError.self) { try result.get() }
        if case .failure(let thrown as StoreError) = result { #expect(thrown.kind == .cancelled) }
    }

    @Test("more requests than connections wait in line") func bounded() async throws {
        let server = ScriptedServer { _, _ in [.pause(milliseconds: 5), .send(answer("200 OK", objectHeaders))] }
        defer { server.stop() }
        let store = store(server) { $0.maxConnections = 4 }
        defer { store.shutdown() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 { group.addTask { _ = try await store.head(ObjectKey("k\(number)")) } }
            try await group.waitForAll()
        }
        #expect(server.requests.count == 100)
        #expect(server.connectionCount <= 4)
    }

    @Test("a listing that is cut short is never a short listing") func cutListing() async {
        let server = ScriptedServer { _, _ in
            [
                .send(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
                ), .close,
            ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        #expect(await error { try await store.list(ListRequest(prefix: "")) }?.kind == .badResponse)
        #expect(server.requests.count == 3)
    }

    @Test("a wrong region is corrected once and remembered") func region() async throws {
        let server = ScriptedServer { _, request in
            request.headers["authorization"]?.contains("/eu-west-9/") == true
                ? [.send(answer("200 OK", objectHeaders))]
                : [.send(answer("400 Bad Request", ["x-amz-bucket-region: eu-west-9"]))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        _ = try await store.head("a")
        _ = try await store.head("b")
        #expect(server.requests.count == 3)
    }

    @Test("a wrong clock is corrected by the server's date") func clock() async throws {
        let server = ScriptedServer { _, request in
            request.headers["x-amz-date"]?.hasPrefix("20091012T1750") == true
                ? [.send(answer("200 OK", objectHeaders))]
                : [
                    .send(
                        answer(
                            "403 Forbidden", ["Date: Mon, 12 Oct 2009 17:50:00 GMT"],
                            "<Error><Code>RequestTimeTooSkewed</Code></Error>"))
                ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        try await store.get("a", range: nil, ifMatch: nil, into: CollectingSink())
        #expect(server.requests.count == 2)
    }

    @Test("a store that takes no CRC32C gets an MD5 from then on") func checksum() async throws {
        let server = ScriptedServer { _, request in
            request.headers["x-amz-checksum-crc32c"] == nil
                ? [.send(answer("200 OK", ["ETag: \"e\""]))]
                : [
                    .send(
                        answer(
                            "501 Not Implemented", [],
                            "<Error><Code>NotImplemented</Code><Message>A header</Message></Error>"))
                ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        for _ in 0..<2 {
            _ = try await store.put("k", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .none)
        }
        #expect(server.requests.count == 3)
        // Base64 of the MD5 of one byte 01.
        for request in server.requests.dropFirst() {
            #expect(request.headers["content-md5"] == "VaVACK0bpYmqIQ0mKcHfQQ==")
        }
        #expect(server.requests[0].headers["content-md5"] == nil)
    }

    @Test("a store that is away is waited for, and the doubt about a mutation stays") func outage() async throws {
        let server = ScriptedServer { number, _ in
            switch number {
            case 0..<9: [.close]
            default: [.send(answer("412 Precondition Failed", [], "<Error><Code>PreconditionFailed</Code></Error>"))]
            }
        }
        defer { server.stop() }
        let store = store(server) {
            $0.onOutage = .wait
            $0.maxAttempts = 3
        }
        defer { store.shutdown() }
        let thrown = await error {
            try await store.put("k", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .absent)
        }
        #expect(thrown?.kind == .preconditionFailed)
        #expect(thrown?.isAmbiguous == true)
        #expect(server.requests.count == 10)
    }

    @Test("who waits for a store that is away can be cancelled, and a mount does not wait for it")
    func cancelledOutage() async throws {
        let server = ScriptedServer { _, _ in [.close] }
        defer { server.stop() }
        let store = store(server) {
            $0.onOutage = .wait
            $0.maxAttempts = 2
        }
        defer { store.shutdown() }
        #expect(await error { try await store.checkBucket() }?.kind == .unreachable)
        let before = server.requests.count
        let task = Task { try await store.head("k") }
        // Beyond the attempts after which it would have failed.
        while server.requests.count < before + 4 { try await Task.sleep(for: .milliseconds(20)) }
        task.cancel()
        let result = await task.result
        #expect((#expect(throws: StoreError.self) { try result.get() })?.kind == .cancelled)
    }

    @Test("the time for a store's own work is not waited for where there is no store", arguments: ["copy", "put"])
    func patienceWithoutAStore(_ operation: String) async {
        let port = freePorts(1)[0]
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(port)", region: "r", bucket: "bucket", addressing: .path)
        configuration.retryBaseDelay = .milliseconds(5)
        configuration.retryMaxDelay = .milliseconds(20)
        configuration.maxAttempts = .max
        configuration.requestDeadline = .milliseconds(300)
        configuration.minimumThroughput = 1
        let store = S3Store(
            configuration: configuration, credentials: StaticCredentials(nil), logger: Logger(label: "test"))
        defer { store.shutdown() }
        let thrown = await error {
            if operation == "copy" {
                _ = try await store.copy(CopyRequest(source: "a", destination: "b"))
            } else {
                _ = try await store.put("k", body: ArrayBody(patterned(1000)), metadata: ObjectMetadata(), if: .none)
            }
        }
        #expect(thrown?.kind == .unreachable || thrown?.kind == .timedOut)
        // Some thirty. In ten minutes, or as many seconds as the body has bytes, it would be tens of thousands.
        #expect(store.statistics.retries < 3000)
    }

    @Test("the copy of a small file is asked for again where nothing is answered") func swallowedCopy() async throws {
        let server = ScriptedServer { number, _ in
            number == 0
                ? [.pause(milliseconds: 5000), .close]
                : [.send(answer("200 OK", [], "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"))]
        }
        defer { server.stop() }
        let store = store(server) { $0.attemptTimeout = .milliseconds(300) }
        defer { store.shutdown() }
        let copy = CopyRequest(source: "a", destination: "b", length: 4096)
        #expect(try await store.copy(copy).etag == ETag("e"))
        #expect(store.statistics.retries == 1)
    }

    @Test("a store that works on a copy for longer than the deadline is waited for") func longWork() async throws {
        let server = ScriptedServer { _, _ in
            [
                .pause(milliseconds: 3000),
                .send(answer("200 OK", [], "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>")),
            ]
        }
        defer { server.stop() }
        let store = store(server) { $0.requestDeadline = .seconds(2) }
        defer { store.shutdown() }
        #expect(try await store.copy(CopyRequest(source: "a", destination: "b")).etag == ETag("e"))
        #expect(server.requests.count == 1)
    }

    @Test("a listing whose next page is the page itself is an error, not an endless one") func endlessListing() async {
        let server = ScriptedServer { _, _ in
            [
                .send(
                    answer(
                        "200 OK", [],
                        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
                            + "</NextContinuationToken></ListBucketResult>"))
            ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let thrown = await error {
            var request = ListRequest(prefix: "")
            for _ in 0..<10 { request.continuation = try await store.list(request).next }
        }
        #expect(thrown?.kind == .badResponse)
    }

    @Test("a header cannot carry a line end") func injection() async {
        let server = ScriptedServer { _, _ in [.send(answer("200 OK", ["ETag: \"e\""]))] }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let metadata = ObjectMetadata(user: ["a": "b\r\nx-amz-acl: public-read"])
        let thrown = await error { try await store.put("k", body: ArrayBody([]), metadata: metadata, if: .none) }
        #expect(thrown?.kind == .invalidRequest)
        #expect(server.requests.isEmpty)
    }

    @Test("a refusal of single keys") func deleteRefusals() async throws {
        let server = ScriptedServer { _, request in
            #expect(request.headers["content-md5"] != nil)
            return [
                .send(
                    answer(
                        "200 OK", [],
                        "<DeleteResult><Error><Key>a&amp;b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
                    ))
            ]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let refused = try await store.delete(["a&b", "c"])
        #expect(refused.map(\.kind) == [.accessDenied])
        #expect(refused.first?.key == "a&b")
    }

    @Test("a body that cannot be read") func unreadableBody() async {
        struct Broken: RequestBody {
            struct Failure: Error {}
            var length: Int64 { 100_000 }
            func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws -> Int { throw Failure() }
        }
        let server = ScriptedServer { _, _ in [.send(answer("200 OK", ["ETag: \"e\""]))] }
        defer { server.stop() }
        for checksum in [S3Configuration.ChecksumMode.none, .crc32c] {
            let store = store(server) { $0.checksum = checksum }
            let thrown = await error { try await store.put("k", body: Broken(), metadata: ObjectMetadata(), if: .none) }
            #expect(thrown?.kind == .bodyUnreadable)
            store.shutdown()
        }
    }

    @Test("after shutdown every request fails") func afterShutdown() async {
        let server = ScriptedServer { _, _ in [.send(answer("200 OK", objectHeaders))] }
        defer { server.stop() }
        let store = store(server)
        store.shutdown()
        store.shutdown()
        #expect(await error { try await store.head("k") }?.kind == .cancelled)
    }
}
