import ObjectStore
import ObjectStoreTesting
import Testing

@testable import S3

/// What the readers of a store's answers make of real documents that were damaged: an error, or something that follows from the
/// document; never a crash, never more than the document holds, never a part for the whole.
///
/// `PAIL_FUZZ_ROUNDS` and `PAIL_FUZZ_SEED` set how many and which.
@Suite struct DocumentMutationTests {
    private static let signs = [
        "<", ">", "</Contents>", "<Contents>", "<Key>", "&amp;", "&#0;", "&#x10FFFF;",
        "<!DOCTYPE a [<!ENTITY b \"cccccccc\">]>",
        "&b;", "<![CDATA[", "]]>", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>", "true", "%00", "%", "<a>",
        "xmlns:x=\"y\"",
    ]

    private func mutations(_ ending: String) -> DocumentMutation {
        DocumentMutation(
            seed: DocumentMutation.seed, corpus: Corpus.documents(ending).map(\.bytes), words: Self.signs)
    }

    @Test func theCorpusIsRead() throws {
        for (name, bytes) in Corpus.documents(".xml") where name.contains("listing") {
            let page = try ListingDocument.read(bytes, version: name.contains("v1") ? .v1 : .v2)
            #expect(page.objects.count + page.commonPrefixes.count >= 1, "\(name)")
        }
        #expect(Corpus.documents(".xml").count >= 20)
    }

    @Test func listings() {
        var mutation = mutations(".xml")
        var read = 0
        for round in 0..<DocumentMutation.rounds {
            let document = mutation.next()
            for version in S3Configuration.ListingVersion.allCases {
                guard let page = try? ListingDocument.read(document, version: version) else { continue }
                read += 1
                let held =
                    page.objects.reduce(0) { $0 + $1.key.utf8Count + ($1.etag?.value.utf8.count ?? 0) }
                    + page.commonPrefixes.reduce(0) { $0 + $1.utf8.count }
                #expect(
                    held <= document.count,
                    "seed \(DocumentMutation.seed), round \(round): more than the document holds")
                #expect(page.objects.allSatisfy { $0.size >= 0 && $0.key.utf8Count > 0 })
                // Read again from a document made of what was read: the same.
                guard page.objects.allSatisfy({ Self.isWritable($0.key.string) }),
                    page.commonPrefixes.allSatisfy(Self.isWritable), version == .v2,
                    Self.isWritable(page.next?.token ?? "")
                else { continue }
                #expect(
                    (try? ListingDocument.read(Array(Self.text(of: page).utf8), version: .v2))
                        .map { $0.objects.map(\.key) == page.objects.map(\.key) && $0.next == page.next } == true,
                    "seed \(DocumentMutation.seed), round \(round)")
            }
        }
        #expect(read > DocumentMutation.rounds / 100, "too few mutations are nearly right to say anything: \(read)")
    }

    /// A listing cut anywhere is an error and not a shorter listing.
    @Test func everyPrefixOfADocumentIsAnError() throws {
        for (name, bytes) in Corpus.documents(".xml") {
            let end = try #require(bytes.lastIndex(of: UInt8(ascii: ">")))
            for count in 0..<end {
                let part = Array(bytes[..<count])
                #expect(throws: XMLReader.Failure.self, "\(name) cut to \(count)") {
                    _ = try ListingDocument.read(part, version: .v2)
                }
                #expect(throws: XMLReader.Failure.self) { _ = try UploadsDocument.read(part) }
                #expect(throws: XMLReader.Failure.self) { _ = try DeleteDocument.read(part) }
                #expect(throws: XMLReader.Failure.self) { _ = try FlatDocument.read(part, root: "CopyObjectResult") }
            }
        }
    }

    @Test func theOtherDocuments() {
        var mutation = mutations(".xml")
        for round in 0..<DocumentMutation.rounds {
            let document = mutation.next()
            if let error = ErrorDocument(document) {
                #expect(
                    error.code.utf8.count + error.message.utf8.count <= document.count,
                    "seed \(DocumentMutation.seed), round \(round)")
            }
            if let fields = try? FlatDocument.read(document, root: "CopyObjectResult") {
                #expect(fields.reduce(0) { $0 + $1.value.utf8.count } <= document.count)
            }
            if let page = try? UploadsDocument.read(document) {
                #expect(page.uploads.allSatisfy { !$0.id.isEmpty && $0.key.utf8Count > 0 }, "round \(round)")
            }
            if let refusals = try? DeleteDocument.read(document) {
                #expect(refusals.reduce(0) { $0 + $1.key.utf8.count + $1.message.utf8.count } <= document.count)
            }
        }
    }

    @Test func headers() {
        var mutation = DocumentMutation(
            seed: DocumentMutation.seed, corpus: Corpus.documents(".headers").map(\.bytes),
            words: [
                ":", "\r\n", "\n ", "\t", "Content-Length", "x-amz-meta-", "=?UTF-8?B?", "?=", "=?utf-8?q?=ff?=", "\"",
                ",",
            ])
        for round in 0..<DocumentMutation.rounds {
            let lines = mutation.next()
            let headers = HTTPHeaders(lines: lines)
            if let length = headers.integer("content-length") {
                #expect(length >= 0 && headers.value("content-length") != nil)
            }
            guard let info = ObjectHeaders.info(headers, size: 1) else { continue }
            for (name, value) in info.metadata.user {
                #expect(!name.isEmpty && !name.utf8.contains { (65...90).contains($0) }, "round \(round): \(name)")
                #expect(name.utf8.count + value.utf8.count <= 3 * lines.count)
            }
            #expect((0..<1_000_000_000).contains(info.lastModified.nanoseconds))
        }
    }

    @Test func ranges() {
        var mutation = DocumentMutation(
            seed: DocumentMutation.seed,
            corpus: ["bytes 0-99/1000", "bytes */1000", "bytes 5-5/*", "bytes 0-0/1"].map { Array($0.utf8) },
            words: ["-", "/", "*", "bytes ", "+"])
        for round in 0..<DocumentMutation.rounds {
            let text = String(decoding: mutation.next(), as: UTF8.self)
            guard let found = ContentRange(text) else { continue }
            let range = found.range.map { "\($0.lowerBound)-\($0.upperBound - 1)" } ?? "*"
            let again = ContentRange("bytes \(range)/\(found.total.map(String.init) ?? "*")")
            #expect(again == found, "round \(round): \(text)")
            if let range = found.range {
                #expect(range.lowerBound >= 0 && !range.isEmpty && range.upperBound <= found.total ?? .max)
            }
        }
    }

    @Test func dates() {
        var mutation = DocumentMutation(
            seed: DocumentMutation.seed,
            corpus: [
                "Wed, 12 Oct 2009 17:50:00 GMT", "Thu, 29 Feb 2024 23:59:59 GMT", "2009-10-12T17:50:30.123Z",
                "2024-02-29T00:00:00+02:00", "1970-01-01T00:00:00Z",
            ].map { Array($0.utf8) }, words: ["-", ":", "Z", "GMT", "Feb", "29", "31", "24", "60", "0000", "9999", "."])
        var read = 0
        for round in 0..<DocumentMutation.rounds {
            let text = String(decoding: mutation.next(), as: UTF8.self)
            if let time = DateFormats.parseHTTP(text) {
                read += 1
                // The digits of the day, the year and the time stand in the text.
                let basic = DateFormats.basic(time.seconds)
                let clock = "\(basic.dropFirst(9).prefix(2)):\(basic.dropFirst(11).prefix(2)):"
                #expect(text.contains(clock) && text.contains(basic.prefix(4)), "round \(round): \(text) as \(basic)")
            }
            if let time = DateFormats.parseISO8601(text) {
                read += 1
                #expect((0..<1_000_000_000).contains(time.nanoseconds), "round \(round): \(text)")
                if text.hasSuffix("Z") {
                    let basic = DateFormats.basic(time.seconds)
                    let day = "\(basic.prefix(4))-\(basic.dropFirst(4).prefix(2))-\(basic.dropFirst(6).prefix(2))"
                    // A leap second is the first of the next minute.
                    #expect(text.hasPrefix(day) || text.contains(":60"), "round \(round): \(text) as \(basic)")
                }
            }
        }
        #expect(read > DocumentMutation.rounds / 100)
    }

    private static func isWritable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 0xFFFE && $0.value != 0xFFFF }
    }

    private static func text(of page: ListPage) -> String {
        func escaped(_ text: String) -> String {
            var result = ""
            for scalar in text.unicodeScalars {
                switch scalar {
                case "<": result += "&lt;"
                case ">": result += "&gt;"
                case "&": result += "&amp;"
                default: result.unicodeScalars.append(scalar)
                }
            }
            return result
        }
        var text = "<ListBucketResult><IsTruncated>\(page.next != nil)</IsTruncated>"
        if let next = page.next { text += "<NextContinuationToken>\(escaped(next.token))</NextContinuationToken>" }
        for object in page.objects {
            text +=
                "<Contents><Key>\(escaped(object.key.string))</Key><Size>\(object.size)</Size>"
                + "<LastModified>2009-10-12T17:50:30Z</LastModified></Contents>"
        }
        return text + "</ListBucketResult>"
    }
}
