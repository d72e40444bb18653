import Testing

@testable import pail

/// The manual's pages: they are made from the program's own declarations, so that only the making can be wrong.
@Suite struct ManualTests {
    @Test func everyOptionHasItsPlace() throws {
        let page = try #require(Manual.pages.first { $0.name == "pail-mount" }).roff
        for option in MountOptionTable.groups.flatMap(\.options) {
            #expect(page.contains("\n.B " + ManualPage.text(MountHelp.terms(option)) + "\n"), "\(option.name)")
        }
    }

    @Test func everyCommandIsThere() throws {
        let page = try #require(Manual.pages.first { $0.name == "pail" }).roff
        for name in ["umount", "status", "sync", "refresh", "recover"] {
            #expect(page.contains("PAIL \(name.uppercased())"))
        }
        for (_, target) in Manual.links { #expect(Manual.pages.contains { $0.fileName == target }, "\(target)") }
    }

    @Test func textIsNoCommand() {
        #expect(ManualPage.text(".TH x") == "\\&.TH x")
        #expect(ManualPage.text("'x") == "\\&'x")
        #expect(ManualPage.text("a\\b --c \"d\"") == "a\\eb \\-\\-c \\(dqd\\(dq")
        #expect(ManualPage.text("a\n.b") == "a .b")
        for page in Manual.pages {
            for line in page.roff.split(separator: "\n") where line.first == "." || line.first == "'" {
                let known = [".TH", ".SH", ".PP", ".TP", ".B ", ".nf", ".fi", ".nh", ".ad", ".\\\""]
                #expect(known.contains { line.hasPrefix($0) }, "\(page.name): \(line)")
            }
        }
    }
}
