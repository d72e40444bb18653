import Glibc
import Testing

@testable import pail

@Suite struct DocumentationTests {
    /// The project's folder, by this file's place in it.
    static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    private func file(_ path: String) throws -> String {
        let descriptor = open(Self.root + "/" + path, O_RDONLY)
        try #require(descriptor >= 0, "\(path)")
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while case let count = read(descriptor, &piece, piece.count), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func theOptionReferenceIsThatOfTheCode() throws {
        let page = try file("Documentation/CONFIGURATION.md")
        #expect(
            try HelpMarkdownCommand.renewed(page) == page,
            "renew it: pail help-markdown < Documentation/CONFIGURATION.md > new && mv new Documentation/CONFIGURATION.md"
        )
    }

    @Test func theTableOfS3FSOptionsIsThatOfTheCode() throws {
        let page = try file("Documentation/S3FS.md")
        #expect(
            try HelpMarkdownCommand.renewed(page) == page,
            "renew it: pail help-markdown < Documentation/S3FS.md > new && mv new Documentation/S3FS.md")
        #expect(page.contains("| `multipart_size=MIB` |"))
    }

    @Test func theTableOfChecksIsThatOfTheCode() throws {
        let page = try file("Documentation/CHECK.md")
        #expect(
            try HelpMarkdownCommand.renewed(page) == page,
            "renew it: pail help-markdown < Documentation/CHECK.md > new && mv new Documentation/CHECK.md")
        #expect(page.contains("| `unshowable-key` |"))
    }

    @Test func aPartWithoutItsEndIsRefused() {
        #expect(throws: CommandError.self) { try HelpMarkdownCommand.renewed("<!-- begin: options -->\n") }
    }

    @Test func everyExitStatusIsInTheTroubleshooting() throws {
        let page = try file("Documentation/TROUBLESHOOTING.md")
        for status in pail.ExitStatus.allCases where status != .success && status != .failure {
            #expect(page.contains("(exit status \(status.rawValue))"), "\(status)")
        }
    }

    @Test func theHelpFitsATerminal() {
        for line in MountHelp.text().split(separator: "\n") where !line.contains("--") && !line.contains(" -o ") {
            #expect(line.count <= 80, "\(line)")
        }
    }

    @Test func aPageWithoutMarksIsRefused() {
        #expect(throws: CommandError.self) { try HelpMarkdownCommand.renewed("# Nothing\n") }
    }
}
