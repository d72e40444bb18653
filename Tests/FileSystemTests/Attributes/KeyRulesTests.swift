import ObjectStore
import SystemPackage
import Testing

@testable import FileSystem

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ContentTypeTests {
    /// A table of our own, so that the test does not hang on the machine's.
    private func table(_ text: String) throws -> ContentTypeTable {
        var name = Array("/tmp/pail-mime-XXXXXX".utf8CString)
        let file = FileDescriptor(rawValue: mkstemp(&name))
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
        let path = name.withUnsafeBufferPointer { FilePath(platformString: $0.baseAddress!) }
        let table = ContentTypeTable(path: path)
        _ = table.contentType(for: "load.it")
        unlink(path.string)
        return table
    }

    @Test func ruleOfS3fs() throws {
        let table = try table(
            """
            # comment lines  and empty ones

            text/html\thtml htm
            application/gzip gz
            application/x-tar   tar
            image/png PNG
            no/extensions
            text/old  twice
            text/new  twice
            """)
        let expected: [(ObjectKey, String)] = [
            ("b.html", "text/html"), ("c.gz", "application/gzip"), ("A.HtMl", "text/html"), ("x.png", "image/png"),
            ("a.tar.unknown", "application/x-tar"), ("a.tar.gz", "application/gzip"),
            ("a.tar.x.y", "application/octet-stream"), ("noextension", "application/octet-stream"),
            ("tar", "application/octet-stream"), ("tar.x", "application/octet-stream"), (".html", "text/html"),
            ("d/", "application/x-directory"), ("d.html/", "application/x-directory"),
            ("d.html/file", "application/octet-stream"), ("d.tar.x/file", "application/x-tar"),
            ("a.", "application/octet-stream"), ("html.", "application/octet-stream"), ("a.html.", "text/html"),
            ("twice.twice", "text/new"),
        ]
        for (key, type) in expected { #expect(table.contentType(for: key) == type, "\(key)") }
    }

    @Test func withoutAFileTheBuiltInTable() {
        let table = ContentTypeTable(path: "/nonexistent/mime.types")
        #expect(table.contentType(for: "a/b.JSON") == "application/json")
        #expect(table.contentType(for: "a/b.strange") == "application/octet-stream")
    }
}

@Suite struct DirectoryFormTests {
    @Test func forms() {
        #expect(DirectoryForm(key: "d/", size: 0) == .marker)
        #expect(DirectoryForm(key: "d_$folder$", size: 0) == .folderSuffix)
        #expect(DirectoryForm(key: "d_$folder$", size: 5) == nil)
        #expect(DirectoryForm(key: "d", size: 0) == nil)
        #expect(DirectoryForm.markerKey(for: "d") == "d/")
        #expect(DirectoryForm.markerKey(for: "d/") == "d/")
        #expect(DirectoryForm.markerKey(for: "a/d_$folder$") == "a/d/")
    }
}

@Suite struct SymbolicLinkBodyTests {
    @Test func trimsWhatOlderToolsAdded() throws {
        #expect(try SymbolicLinkBody.target(from: Array("../a b\n".utf8)) == Array("../a b".utf8))
        #expect(try SymbolicLinkBody.target(from: Array(" \t/x\r\n".utf8)) == Array("/x".utf8))
    }

    @Test func refusals() {
        #expect(throws: Errno.ioError) { try SymbolicLinkBody.target(from: []) }
        #expect(throws: Errno.ioError) { try SymbolicLinkBody.target(from: Array(" \n".utf8)) }
        #expect(throws: Errno.ioError) { try SymbolicLinkBody.target(from: [65, 0, 66]) }
        #expect(throws: Errno.fileNameTooLong) { try SymbolicLinkBody.target(from: Array(repeating: 65, count: 4096)) }
        #expect(throws: Errno.noSuchFileOrDirectory) { try SymbolicLinkBody.body(for: []) }
        #expect(throws: Errno.invalidArgument) { try SymbolicLinkBody.body(for: [65, 0]) }
        #expect(throws: Errno.fileNameTooLong) { try SymbolicLinkBody.body(for: Array(repeating: 65, count: 4096)) }
    }

    @Test func whitespaceAtTheEndsIsKeptWhereTheObjectSaysSo() throws {
        let target = Array(" x \n".utf8)
        #expect(SymbolicLinkBody.needsExactMark(target))
        #expect(!SymbolicLinkBody.needsExactMark(Array("x y".utf8)))
        #expect(try SymbolicLinkBody.target(from: SymbolicLinkBody.body(for: target), isExact: true) == target)
    }

    @Test func roundTrip() throws {
        for target in ["a", "/", "../x y", "é"] {
            let bytes = Array(target.utf8)
            #expect(try SymbolicLinkBody.target(from: SymbolicLinkBody.body(for: bytes)) == bytes)
        }
    }
}

@Suite struct PathPercentCodingTests {
    @Test func keepsAndEncodes() {
        #expect(PathPercentCoding.encode("Az09.-_~/".utf8) == "Az09.-_~/")
        #expect(PathPercentCoding.encode(" +é".utf8) == "%20%2B%C3%A9")
        #expect(PathPercentCoding.decode("%20+%c3%A9") == Array(" +é".utf8))
        #expect(PathPercentCoding.decode("%2") == nil)
        #expect(PathPercentCoding.decode("%+1") == nil)
    }
}

@Suite struct ErrnoMappingTests {
    @Test(arguments: [
        (StoreError.Kind.notFound, Errno.noSuchFileOrDirectory), (.noSuchBucket, Errno(rawValue: 19)),
        (.preconditionFailed, .staleNFSFileHandle), (.accessDenied, .permissionDenied),
        (.rangeNotSatisfiable, .ioError),
        (.keyTooLong, .fileNameTooLong), (.limitExceeded, .fileTooLarge), (.archived, Errno(rawValue: 66)),
        (.notImplemented, .notSupported), (.throttled, .resourceBusy), (.serverError, .ioError),
        (.timedOut, .timedOut), (.unreachable, .networkUnreachable), (.cancelled, .interrupted),
        (.bodyUnreadable, .ioError), (.badResponse, .ioError), (.tls, Errno(rawValue: 71)),
        (.invalidRequest, .invalidArgument), (.noSuchUpload, .ioError),
    ])
    func kinds(kind: StoreError.Kind, errno: Errno) {
        #expect(Errno(StoreError(kind, operation: "GetObject")) == errno)
    }

    @Test func metadataOverItsLimit() {
        #expect(Errno(StoreError(.limitExceeded, operation: "PutObject", code: "MetadataTooLarge")) == .noSpace)
    }
}
