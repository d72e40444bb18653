internal import CXML2

/// Reads the XML that S3 answers with: a stream of "element opened" and "element closed, with this text", by libxml2's push
/// parser. No tree is built.
///
/// What a hostile or broken server may send is bounded: a document type (and with it every entity of its own), more than
/// ``maximumDepth`` levels, or a text over ``maximumText`` bytes ends the reading with an error. Nothing is fetched.
/// The predefined entities and character references are resolved by libxml2.
///
/// S3's attributes and namespaces carry nothing that is needed: elements go by their local name.
struct XMLReader {
    /// The deepest nesting: S3's own is 5.
    static let maximumDepth = 16
    /// The longest text of one element: a key takes 1,024 bytes, 3,072 encoded.
    static let maximumText = 64 << 10

    /// Why a document was not read to its end.
    struct Failure: Error, Equatable, CustomStringConvertible {
        var description: String
    }

    /// Reads a whole document, in pieces as they lie in `bytes`.
    static func read(_ bytes: [UInt8], into handler: some XMLHandler) throws(Failure) {
        try refuseOtherFormats(bytes)
        initializeLibrary
        let state = ParserState(handler)
        let failure: Failure? = withExtendedLifetime(state) {
            parse(bytes, state)
        }
        if let failure { throw failure }
    }

    /// HTML and JSON get words of their own: they come from an endpoint that is a web page or another API.
    private static func refuseOtherFormats(_ bytes: [UInt8]) throws(Failure) {
        var start = bytes.firstIndex { $0 > 32 } ?? bytes.count
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { start = 3 }
        let head = bytes[start...].prefix(14).map(HTTPHeaders.lowercase)
        if head.isEmpty { throw Failure(description: "the answer is empty") }
        if head.starts(with: "<html".utf8) || head.starts(with: "<!doctype html".utf8) {
            throw Failure(description: "the endpoint does not speak S3 (it answered HTML)")
        }
        if head[0] == UInt8(ascii: "{") || head[0] == UInt8(ascii: "[") {
            throw Failure(description: "the endpoint does not speak S3 (it answered JSON)")
        }
        if head[0] != UInt8(ascii: "<") {
            throw Failure(description: "the endpoint does not speak S3 (its answer is no XML)")
        }
    }

    private static let initializeLibrary: Void = xmlInitParser()

    private static func parse(_ bytes: [UInt8], _ state: ParserState) -> Failure? {
        var handler = xmlSAXHandler()
        pail_xml_prepare(&handler)
        handler.startElementNs = { context, name, _, _, _, _, _, _, _ in
            ParserState.of(context)?.opened(name)
        }
        handler.endElementNs = { context, _, _, _ in ParserState.of(context)?.closed() }
        handler.characters = { context, text, count in ParserState.of(context)?.text(text, Int(count)) }
        handler.cdataBlock = { context, text, count in ParserState.of(context)?.text(text, Int(count)) }
        handler.internalSubset = { context, _, _, _ in
            ParserState.of(context)?.stop("the answer declares a document type")
        }
        handler.externalSubset = handler.internalSubset
        handler.entityDecl = { context, _, _, _, _, _ in ParserState.of(context)?.stop("the answer declares an entity") }
        let context = Unmanaged.passUnretained(state).toOpaque()
        guard let parser = xmlCreatePushParserCtxt(&handler, context, nil, 0, nil) else {
            return Failure(description: "memory is short")
        }
        defer {
            // The document is empty, but libxml2 makes one for some declarations.
            if let document = parser.pointee.myDoc { xmlFreeDoc(document) }
            xmlFreeParserCtxt(parser)
        }
        state.parser = parser
        defer { state.parser = nil }
        xmlCtxtUseOptions(parser, Int32(XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue))
        // Leading white space is what CompleteMultipartUpload keeps the connection alive with; XML wants the
        // declaration first.
        var offset = bytes.firstIndex { $0 > 32 } ?? bytes.count
        let piece = 64 << 10
        while offset < bytes.count, state.failure == nil {
            let count = min(piece, bytes.count - offset)
            let status = bytes.withUnsafeBufferPointer { buffer in
                buffer.withMemoryRebound(to: CChar.self) { xmlParseChunk(parser, $0.baseAddress! + offset, Int32(count), 0) }
            }
            if status != 0 { break }
            offset += count
        }
        if state.failure == nil { xmlParseChunk(parser, nil, 0, 1) }
        if let failure = state.failure { return failure }
        if parser.pointee.wellFormed == 0 {
            var reason = "it is cut short"
            if let error = xmlCtxtGetLastError(parser), let message = error.pointee.message {
                reason = String(cString: message)
                while reason.last == "\n" || reason.last == " " { reason.removeLast() }
            }
            return Failure(description: "the answer is not well-formed XML: \(reason)")
        }
        return nil
    }
}

/// Takes what ``XMLReader`` finds.
///
/// What was taken counts only if the reading succeeds: the failure of a cut document is known last.
protocol XMLHandler: AnyObject {
    /// An element begins at a depth: 1 for the root.
    func open(_ name: String, depth: Int)
    /// An element ends; `text` is what stood in it outside of its children.
    func close(_ name: String, text: String, depth: Int)
}

/// What libxml2's callbacks write to.
private final class ParserState {
    private let handler: any XMLHandler
    var failure: XMLReader.Failure?
    var parser: xmlParserCtxtPtr?
    private var names: [String] = []
    private var texts: [[UInt8]] = []

    init(_ handler: any XMLHandler) { self.handler = handler }

    static func of(_ context: UnsafeMutableRawPointer?) -> ParserState? {
        context.map { Unmanaged<ParserState>.fromOpaque($0).takeUnretainedValue() }
    }

    func stop(_ reason: String) {
        if failure == nil { failure = XMLReader.Failure(description: reason) }
        if let parser { xmlStopParser(parser) }
    }

    func opened(_ name: UnsafePointer<xmlChar>?) {
        guard failure == nil, let name else { return }
        if names.count >= XMLReader.maximumDepth { return stop("the answer is nested too deep") }
        let text = String(cString: name)
        names.append(text)
        texts.append([])
        handler.open(text, depth: names.count)
    }

    func closed() {
        guard failure == nil, let name = names.popLast(), let text = texts.popLast() else { return }
        handler.close(name, text: String(decoding: text, as: UTF8.self), depth: names.count + 1)
    }

    func text(_ bytes: UnsafePointer<xmlChar>?, _ count: Int) {
        guard failure == nil, let bytes, !texts.isEmpty else { return }
        let last = texts.count - 1
        if texts[last].count + count > XMLReader.maximumText { return stop("an element of the answer is too long") }
        texts[last].append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    }
}
