internal import ObjectStore

/// Readers for S3's answers. Each reads one document type, refuses any other root, and lets elements pass that it does not know.

/// `<Error>`: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
struct ErrorDocument: Sendable, Equatable {
    var code = ""
    var message = ""
    var requestID: String?
    /// Where to go instead, in redirects: a host.
    var endpoint: String?
    /// The bucket's region, in `AuthorizationHeaderMalformed` and redirects.
    var region: String?

    /// The error in a body; nil where the body is none (empty, HTML, another document).
    init?(_ body: [UInt8]) {
        guard !body.isEmpty else { return nil }
        let fields = FlatDocument()
        do { try XMLReader.read(body, into: fields) } catch { return nil }
        // Some servers wrap it, as SQS and STS do: <ErrorResponse><Error>.
        guard fields.root == "Error" || fields.root == "ErrorResponse" else { return nil }
        code = fields.values["Code"] ?? ""
        message = fields.values["Message"] ?? ""
        requestID = fields.values["RequestId"]
        endpoint = fields.values["Endpoint"]
        region = fields.values["Region"]
    }
}

/// A document whose elements each occur once: their texts by name.
final class FlatDocument: XMLHandler {
    private(set) var root = ""
    private(set) var values: [String: String] = [:]

    func open(_ name: String, depth: Int) { if depth == 1 { root = name } }
    func close(_ name: String, text: String, depth: Int) {
        if depth == 1, !text.allSatisfy(\.isWhitespace) { values[name] = text }
        if depth > 1 { values[name] = text }
    }

    /// The texts of a document with the root `root`, or the `other` name that some servers give it.
    static func read(_ body: [UInt8], root: String, or other: String? = nil) throws(XMLReader.Failure)
        -> [String: String]
    {
        let document = FlatDocument()
        try XMLReader.read(body, into: document)
        guard document.root == root || document.root == other else {
            throw XMLReader.unexpected(document.root, wanted: root)
        }
        return document.values
    }
}

extension XMLReader {
    /// A document of another kind than the one asked for.
    static func unexpected(_ root: String, wanted: String) -> Failure {
        let isPage = root.utf8.elementsEqual("html".utf8)
        return Failure(
            description: isPage
                ? "the endpoint does not speak S3 (it answered HTML)"
                : "the answer is <\(root)> where <\(wanted)> was expected")
    }
}

/// `<ListBucketResult>` of both versions:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>.
final class ListingDocument: XMLHandler {
    private var root = ""
    private var page = ListPage()
    private var isTruncated: Bool?
    private var isTruncationUnclear = false
    private var isEncoded = false
    private var nextToken: String?
    private var nextMarker: String?
    private var prefixes: [String] = []
    private var entry = Entry()
    private var entries: [Entry] = []
    private var failure: String?

    private struct Entry {
        var key: String?
        var size: Int64?
        var etag: ETag?
        var lastModified: Timestamp?
        var storageClass: String?
    }

    func open(_ name: String, depth: Int) {
        if depth == 1 { root = name }
        if depth == 2, name == "Contents" { entry = Entry() }
    }

    func close(_ name: String, text: String, depth: Int) {
        switch (depth, name) {
        case (2, "IsTruncated"):
            switch text.lowercased() {
            case "true": isTruncated = true
            case "false": isTruncated = false
            default: isTruncationUnclear = true
            }
        case (2, "EncodingType"): isEncoded = text.lowercased() == "url"
        case (2, "NextContinuationToken"): nextToken = text
        case (2, "NextMarker"): nextMarker = text
        case (2, "Contents"): entries.append(entry)
        case (3, "Key"): entry.key = text
        case (3, "Size"): entry.size = HTTPHeaders.parseDecimal(text.utf8)
        case (3, "ETag"): entry.etag = text.isEmpty ? nil : ETag(text)
        case (3, "LastModified"): entry.lastModified = DateFormats.parseISO8601(text)
        case (3, "StorageClass"): entry.storageClass = text.isEmpty ? nil : text
        case (3, "Prefix"): prefixes.append(text)
        default: break
        }
    }

    /// A page of a listing.
    ///
    /// - Throws: also where an entry lacks its key, size or date, or where the page says that there are more but not where they begin:
    ///   a listing that went on as if it were whole would be a lie.
    static func read(_ body: [UInt8], version: S3Configuration.ListingVersion) throws(XMLReader.Failure) -> ListPage {
        let document = ListingDocument()
        try XMLReader.read(body, into: document)
        return try document.finish(version)
    }

    private func finish(_ version: S3Configuration.ListingVersion) throws(XMLReader.Failure) -> ListPage {
        guard root == "ListBucketResult" else { throw XMLReader.unexpected(root, wanted: "ListBucketResult") }
        func text(_ raw: String) -> String { isEncoded ? URIEncoding.decode(raw) : raw }
        var objects: [ListedObject] = []
        objects.reserveCapacity(entries.count)
        for entry in entries {
            guard let key = entry.key, !key.isEmpty, let size = entry.size, let lastModified = entry.lastModified else {
                throw XMLReader.Failure(
                    description: "an entry of the listing (\(entry.key ?? "without a key")) lacks its key, size or date"
                )
            }
            objects.append(
                ListedObject(
                    key: ObjectKey(text(key)), size: size, etag: entry.etag, lastModified: lastModified,
                    storageClass: entry.storageClass))
        }
        // A page that is taken for the last one although it is not would hide files.
        if isTruncationUnclear {
            throw XMLReader.Failure(description: "the listing does not say whether there is more")
        }
        var page = ListPage(objects: objects, commonPrefixes: prefixes.map(text))
        guard isTruncated ?? (nextToken?.isEmpty == false || nextMarker?.isEmpty == false) else { return page }
        switch version {
        case .v2:
            if let nextToken, !nextToken.isEmpty { page.next = ListContinuation(token: nextToken) }
        case .v1:
            // NextMarker comes only with a delimiter; else the last key takes its place.
            if let nextMarker, !nextMarker.isEmpty {
                page.next = ListContinuation(token: text(nextMarker))
            } else {
                let lastKey = page.objects.last?.key
                let lastPrefix = page.commonPrefixes.last.map { ObjectKey($0) }
                if let last = [lastKey, lastPrefix].compactMap({ $0 }).max() {
                    page.next = ListContinuation(token: last.string)
                }
            }
        }
        if page.next == nil {
            throw XMLReader.Failure(description: "the listing is cut but does not say where it goes on")
        }
        return page
    }
}

/// `<DeleteResult>`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
final class DeleteDocument: XMLHandler {
    /// A key that was not deleted.
    struct Refusal: Equatable {
        var key = ""
        var code = ""
        var message = ""
    }

    private var root = ""
    private var refusal = Refusal()
    private var refusals: [Refusal] = []

    func open(_ name: String, depth: Int) {
        if depth == 1 { root = name }
        if depth == 2 { refusal = Refusal() }
    }

    func close(_ name: String, text: String, depth: Int) {
        switch (depth, name) {
        case (2, "Error"): refusals.append(refusal)
        case (3, "Key"): refusal.key = text
        case (3, "Code"): refusal.code = text
        case (3, "Message"): refusal.message = text
        default: break
        }
    }

    /// The keys that were not deleted.
    static func read(_ body: [UInt8]) throws(XMLReader.Failure) -> [Refusal] {
        let document = DeleteDocument()
        try XMLReader.read(body, into: document)
        // Some servers answer with the request's older name.
        guard document.root == "DeleteResult" || document.root == "DeleteObjectsResult" else {
            throw XMLReader.unexpected(document.root, wanted: "DeleteResult")
        }
        return document.refusals
    }
}

/// `<ListMultipartUploadsResult>`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.
final class UploadsDocument: XMLHandler {
    private var root = ""
    private var isTruncated = false
    private var isEncoded = false
    private var nextKey = ""
    private var nextID = ""
    private var upload = (key: "", id: "", initiated: Timestamp?.none)
    private var uploads: [(key: String, id: String, initiated: Timestamp?)] = []

    func open(_ name: String, depth: Int) {
        if depth == 1 { root = name }
        if depth == 2, name == "Upload" { upload = ("", "", nil) }
    }

    func close(_ name: String, text: String, depth: Int) {
        switch (depth, name) {
        case (2, "IsTruncated"): isTruncated = text == "true" || text == "True"
        case (2, "EncodingType"): isEncoded = text.lowercased() == "url"
        case (2, "NextKeyMarker"): nextKey = text
        case (2, "NextUploadIdMarker"): nextID = text
        case (2, "Upload"): uploads.append(upload)
        case (3, "Key"): upload.key = text
        case (3, "UploadId"): upload.id = text
        case (3, "Initiated"): upload.initiated = DateFormats.parseISO8601(text)
        default: break
        }
    }

    /// A page of uploads under way.
    static func read(_ body: [UInt8]) throws(XMLReader.Failure) -> UploadsPage {
        let document = UploadsDocument()
        try XMLReader.read(body, into: document)
        return try document.finish()
    }

    private func finish() throws(XMLReader.Failure) -> UploadsPage {
        guard root == "ListMultipartUploadsResult" else {
            throw XMLReader.unexpected(root, wanted: "ListMultipartUploadsResult")
        }
        func text(_ raw: String) -> String { isEncoded ? URIEncoding.decode(raw) : raw }
        var page = UploadsPage()
        for upload in uploads {
            guard !upload.key.isEmpty, !upload.id.isEmpty else {
                throw XMLReader.Failure(description: "an upload of the listing lacks its key or id")
            }
            page.uploads.append(
                MultipartUpload(key: ObjectKey(text(upload.key)), id: upload.id, initiated: upload.initiated))
        }
        if isTruncated {
            // SeaweedFS (seen in 4.48) goes by the uploads' ids alone: it names no key, and takes a key marker for a filter.
            guard !nextKey.isEmpty || !nextID.isEmpty else {
                throw XMLReader.Failure(description: "the listing is cut but does not say where it goes on")
            }
            page.next = UploadsMarker(key: text(nextKey), uploadID: nextID)
        }
        return page
    }
}

/// `<ListPartsResult>`, of which only the sums are wanted:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>.
final class PartsDocument: XMLHandler {
    /// The sums of one page.
    struct Page: Sendable, Equatable {
        var parts = 0
        var bytes: Int64 = 0
        var newest: Timestamp?
        /// The marker for the page that follows; nil for the last.
        var next: String?
    }

    private var root = ""
    private var page = Page()
    private var isTruncated = false
    private var next = ""

    func open(_ name: String, depth: Int) { if depth == 1 { root = name } }

    func close(_ name: String, text: String, depth: Int) {
        switch (depth, name) {
        case (2, "IsTruncated"): isTruncated = text == "true" || text == "True"
        case (2, "NextPartNumberMarker"): next = text
        case (2, "Part"): page.parts += 1
        case (3, "Size"): page.bytes += max(0, Int64(text) ?? 0)
        case (3, "LastModified"):
            if let time = DateFormats.parseISO8601(text), page.newest.map({ $0 < time }) ?? true { page.newest = time }
        default: break
        }
    }

    /// The sums of a page of parts.
    static func read(_ body: [UInt8]) throws(XMLReader.Failure) -> Page {
        let document = PartsDocument()
        try XMLReader.read(body, into: document)
        guard document.root == "ListPartsResult" else {
            throw XMLReader.unexpected(document.root, wanted: "ListPartsResult")
        }
        var page = document.page
        if document.isTruncated, !document.next.isEmpty { page.next = document.next }
        return page
    }
}
