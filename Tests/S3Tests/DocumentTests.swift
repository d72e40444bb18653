import ObjectStore
import Testing

@testable import S3

/// S3's documents: good ones, broken ones, hostile ones.
@Suite struct DocumentTests {
    private func failure(_ text: String) -> String? {
        do {
            _ = try ListingDocument.read(Array(text.utf8), version: .v2)
            return nil
        } catch { return error.description }
    }

    @Test("a listing with encoded keys") func listing() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>p%2F</Prefix>
            <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t+%41</NextContinuationToken>
            <Contents><Key>p%2Fa+b%01</Key><LastModified>2009-10-12T17:50:30.123Z</LastModified><ETag>&quot;e-1&quot;</ETag>
            <Size>434234</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID></Owner></Contents>
            <CommonPrefixes><Prefix>p%2Fd%2F</Prefix></CommonPrefixes></ListBucketResult>
            """
        let page = try ListingDocument.read(Array(text.utf8), version: .v2)
        #expect(page.objects.map(\.key) == ["p/a b\u{1}"])
        #expect(page.objects.first?.size == 434_234)
        #expect(page.objects.first?.etag == ETag("e-1"))
        #expect(page.objects.first?.lastModified == Timestamp(seconds: 1_255_369_830, nanoseconds: 123_000_000))
        #expect(page.commonPrefixes == ["p/d/"])
        #expect(page.next?.token == "t+%41")
    }

    @Test("keys are raw where the store names no encoding") func rawListing() throws {
        let text = """
            <ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a+%41&#13;</Key><Size>1</Size>
            <LastModified>2009-10-12T17:50:30Z</LastModified></Contents></ListBucketResult>
            """
        let page = try ListingDocument.read(Array(text.utf8), version: .v1)
        #expect(page.objects.map(\.key) == ["a+%41\r"])
        #expect(page.next?.token == "a+%41\r")
    }

    @Test("uploads under way, with AWS's markers, with the id alone as SeaweedFS gives it, and without any")
    func uploads() throws {
        func read(_ markers: String) throws -> UploadsPage {
            let text = """
                <ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\(markers)
                <Upload><Key>a%2Fb</Key><UploadId>id%1</UploadId><Initiated>2009-10-12T17:50:30Z</Initiated></Upload>
                </ListMultipartUploadsResult>
                """
            return try UploadsDocument.read(Array(text.utf8))
        }
        let page = try read("<NextKeyMarker>a%2Fb</NextKeyMarker><NextUploadIdMarker>id%1</NextUploadIdMarker>")
        #expect(page.uploads == [MultipartUpload(key: "a/b", id: "id%1", initiated: Timestamp(seconds: 1_255_369_830))])
        #expect(page.next == UploadsMarker(key: "a/b", uploadID: "id%1"))
        #expect(
            try read("<NextUploadIdMarker>id%1</NextUploadIdMarker>").next == UploadsMarker(key: "", uploadID: "id%1"))
        #expect(throws: XMLReader.Failure.self) { try read("") }
    }

    @Test("a listing that is cut but names no next page") func noToken() {
        #expect(
            failure("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")?.contains(
                "where it goes on") == true)
    }

    @Test("an entry without its size") func noSize() {
        #expect(
            failure("<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>")?.contains("lacks") == true
        )
    }

    @Test(
        "cut documents",
        arguments: ["<ListBucketResult>", "<ListBucketResult><Contents><Key>a", "<ListBucketResult", "", "  "])
    func cut(_ text: String) { #expect(failure(text) != nil) }

    @Test("entities that grow") func billionLaughs() {
        let text = """
            <?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
            <!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]><ListBucketResult><Name>&lol3;</Name></ListBucketResult>
            """
        #expect(failure(text)?.contains("document type") == true)
    }

    @Test("an entity from outside") func externalEntity() {
        let text = """
            <?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ListBucketResult><Name>&e;</Name></ListBucketResult>
            """
        #expect(failure(text)?.contains("document type") == true)
    }

    @Test("an undeclared entity") func undeclared() {
        #expect(failure("<ListBucketResult><Name>&nope;</Name></ListBucketResult>") != nil)
    }

    @Test("deep nesting") func deep() {
        let text = "<ListBucketResult>" + String(repeating: "<a>", count: 100_000)
        #expect(failure(text)?.contains("too deep") == true)
    }

    @Test("a long text") func long() {
        let text = "<ListBucketResult><Name>" + String(repeating: "x", count: 100_000) + "</Name></ListBucketResult>"
        #expect(failure(text)?.contains("too long") == true)
    }

    @Test("other formats") func formats() {
        #expect(failure("<!DOCTYPE HTML><html></html>") == "the endpoint does not speak S3 (it answered HTML)")
        #expect(failure("{\"error\": 1}") == "the endpoint does not speak S3 (it answered JSON)")
        #expect(failure("hello") == "the endpoint does not speak S3 (its answer is no XML)")
        #expect(failure("<Other/>") == "the answer is <Other> where <ListBucketResult> was expected")
    }

    @Test("an error") func error() {
        let text = """
            <?xml version="1.0"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong &lt;region&gt;</Message>
            <Region>eu-west-1</Region><RequestId>r1</RequestId></Error>
            """
        let document = ErrorDocument(Array(text.utf8))
        #expect(document?.code == "AuthorizationHeaderMalformed")
        #expect(document?.message == "wrong <region>")
        #expect(document?.region == "eu-west-1")
        #expect(document?.requestID == "r1")
        #expect(ErrorDocument([]) == nil)
        #expect(ErrorDocument(Array("<CopyObjectResult/>".utf8)) == nil)
    }

    @Test("what is written can be read back") func writers() throws {
        let keys: [ObjectKey] = ["a&b<c>\"d'", "cr\rlf\ntab\t", "ü \u{1F600}"]
        let text = String(decoding: RequestDocuments.delete(keys), as: UTF8.self)
        #expect(text.contains("cr&#xD;lf&#xA;tab&#x9;"))
        // The same elements as in an answer: Key at depth 3.
        let answer = text.replacing("<Object>", with: "<Error>").replacing("</Object>", with: "</Error>")
            .replacing("<Delete ", with: "<DeleteResult ").replacing("</Delete>", with: "</DeleteResult>")
        #expect(try DeleteDocument.read(Array(answer.utf8)).map { ObjectKey($0.key) } == keys)
        let complete = RequestDocuments.complete([UploadedPart(number: 3, etag: ETag("e"), crc32c: "AAAA==")])
        #expect(
            String(decoding: complete, as: UTF8.self).contains(
                "<Part><PartNumber>3</PartNumber><ETag>&quot;e&quot;</ETag><ChecksumCRC32C>AAAA==</ChecksumCRC32C></Part>"
            ))
        #expect(!RequestDocuments.canCarry("a\u{1}") && RequestDocuments.canCarry("a\r\u{1F600}"))
    }
}

/// Dates, headers, endpoints.
@Suite struct ParsingTests {
    @Test("ISO 8601") func iso() {
        #expect(DateFormats.parseISO8601("1970-01-01T00:00:00Z") == Timestamp(seconds: 0))
        #expect(
            DateFormats.parseISO8601("2024-02-29T23:59:59.5Z")
                == Timestamp(seconds: 1_709_251_199, nanoseconds: 500_000_000))
        #expect(DateFormats.parseISO8601("2009-10-12T19:50:30+02:00") == Timestamp(seconds: 1_255_369_830))
        #expect(DateFormats.parseISO8601("1969-12-31T23:59:59Z") == Timestamp(seconds: -1))
        for bad in [
            "", "2009", "2023-02-29T00:00:00Z", "2009-13-01T00:00:00Z", "2009-10-12T17:50:30", "2009-10-12T17:50:30.Z",
            "2009-10-12T17:50:30Zx",
        ] {
            #expect(DateFormats.parseISO8601(bad) == nil, "\(bad)")
        }
    }

    @Test("HTTP dates") func http() {
        #expect(DateFormats.parseHTTP("Mon, 12 Oct 2009 17:50:30 GMT") == Timestamp(seconds: 1_255_369_830))
        for bad in ["", "Mon, 12 Foo 2009 17:50:30 GMT", "Mon, 32 Oct 2009 17:50:30 GMT", "12 Oct 2009 17:50:30 GMT"] {
            #expect(DateFormats.parseHTTP(bad) == nil, "\(bad)")
        }
        #expect(DateFormats.basic(1_369_353_600) == "20130524T000000Z")
        #expect(DateFormats.basic(1_709_251_199) == "20240229T235959Z")
    }

    @Test("header fields") func headers() {
        let headers = HTTPHeaders(
            lines: Array("ETag:\"a\"\r\nX-Amz-Meta-Mode:  33188 \r\nbroken\r\nContent-Length: 12\r\nX: \r\n".utf8))
        #expect(headers.value("etag") == "\"a\"")
        #expect(headers.value("x-amz-meta-mode") == "33188")
        #expect(headers.integer("content-length") == 12)
        #expect(headers.value("x") == "")
        #expect(headers.value("y") == nil)
    }

    @Test("Content-Range") func contentRange() {
        #expect(ContentRange("bytes 0-99/1000")?.range == 0..<100)
        #expect(ContentRange("bytes 0-99/*")?.total == nil)
        #expect(ContentRange("bytes */7")?.total == 7)
        for bad in ["", "bytes 5-4/10", "bytes 0-10/10", "items 0-1/2", "bytes -1/2", "bytes 0-1"] {
            #expect(ContentRange(bad) == nil, "\(bad)")
        }
    }

    @Test("endpoints") func endpoints() throws {
        let plain = try Endpoint("HTTP://Host.Example:9000/base/")
        #expect(plain.scheme == "http" && plain.host == "host.example" && plain.port == 9000 && plain.base == "/base")
        #expect(try Endpoint("https://h:443").port == nil)
        #expect(try Endpoint("http://[::1]:80").host == "[::1]")
        for bad in [
            "host", "ftp://h", "http://", "http://h:0", "http://h:x", "http://u:p@h", "http://h/?q", "http://h /",
        ] {
            #expect(throws: Endpoint.Malformed.self, "\(bad)") { try Endpoint(bad) }
        }
    }

    @Test("encoded words") func encodedWords() {
        #expect(EncodedWord.decode("=?UTF-8?B?w7w=?=") == "ü")
        #expect(EncodedWord.decode("=?UTF-8?Q?a_=C3=BC?=") == "a ü")
        for plain in ["plain", "=?", "=?latin-1?B?w7w=?=", "=?UTF-8?B?*?="] {
            #expect(EncodedWord.decode(plain) == plain)
        }
    }
}

/// Retries and the limit of concurrency: pure values.
@Suite struct RetryTests {
    private let policy = RetryPolicy(baseDelay: .milliseconds(100), maxDelay: .seconds(2), maxAttempts: 5)

    private func decide(
        _ failure: RetryPolicy.Failure, _ history: inout RetryPolicy.History, left: Duration = .seconds(60)
    )
        -> RetryPolicy.Decision
    {
        var random = SystemRandomNumberGenerator()
        return policy.decide(failure, history: &history, left: left, using: &random)
    }

    @Test("delays grow, never over their ceiling, and end") func growth() {
        var history = RetryPolicy.History()
        for attempt in 0..<4 {
            guard case .retry(let delay) = decide(.refusal(status: 500, code: "", retryAfter: nil), &history) else {
                Issue.record("gave up at \(attempt)")
                return
            }
            #expect(delay <= min(.milliseconds(200 << attempt), .seconds(2)))
        }
        #expect(decide(.refusal(status: 500, code: "", retryAfter: nil), &history) == .giveUp)
        history.progressed()
        #expect(decide(.transport(.broken, wasReused: false), &history) != .giveUp)
    }

    @Test("what is final") func final() {
        for failure: RetryPolicy.Failure in [
            .refusal(status: 404, code: "NoSuchKey", retryAfter: nil), .refusal(status: 403, code: "", retryAfter: nil),
            .refusal(status: 501, code: "NotImplemented", retryAfter: nil),
            .refusal(status: 412, code: "", retryAfter: nil),
            .transport(.cancelled, wasReused: false), .transport(.untrusted, wasReused: false),
            .transport(.bodyUnreadable, wasReused: true),
        ] {
            var history = RetryPolicy.History()
            #expect(decide(failure, &history) == .giveUp)
        }
    }

    @Test("Retry-After counts, inside the deadline") func retryAfter() {
        var history = RetryPolicy.History()
        if case .retry(let delay) = decide(.refusal(status: 503, code: "", retryAfter: .seconds(7)), &history) {
            #expect(delay >= .seconds(7))
        } else {
            Issue.record("no retry")
        }
        #expect(
            decide(.refusal(status: 503, code: "", retryAfter: .seconds(7)), &history, left: .seconds(5)) == .giveUp)
    }

    @Test("a stale connection costs no wait, once") func stale() {
        var history = RetryPolicy.History()
        #expect(decide(.transport(.broken, wasReused: true), &history) == .retry(after: .zero))
        #expect(history.failures == 0)
        _ = decide(.transport(.broken, wasReused: true), &history)
        #expect(history.failures == 1)
    }

    @Test("doubtful answers are tried twice more") func doubtful() {
        var history = RetryPolicy.History()
        #expect(decide(.malformed, &history) != .giveUp)
        #expect(decide(.refusal(status: 400, code: "BadDigest", retryAfter: nil), &history) != .giveUp)
        #expect(decide(.malformed, &history) == .giveUp)
    }

    @Test("the limit halves once a burst and grows back") func limit() {
        var limit = ConcurrencyLimit(maximum: 64)
        for active in stride(from: 64, to: 0, by: -1) { limit.refused(active: active) }
        #expect(limit.current == 32)
        for _ in 0..<32 { limit.succeeded() }
        #expect(limit.current == 33)
        for _ in 0..<100_000 { limit.succeeded() }
        #expect(limit.current == 64)
        for _ in 0..<100 { limit.refused(active: 1) }
        #expect(limit.current == ConcurrencyLimit.floor)
    }
}
