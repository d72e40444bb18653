import Testing

@testable import S3

@Suite struct INIDocumentTests {
    private func parse(_ text: String) throws(ConfigurationError) -> INIDocument {
        try INIDocument(parsing: Array(text.utf8), file: "f")
    }

    private func failure(_ text: String) -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try parse(text)
            return nil
        } catch {
            return error
        }
    }

    @Test func readsSectionsPropertiesAndNestedBlocks() throws {
        let document = try parse(
            """
            # a comment
            [default]
            region = eu-central-1   # not part of the value
            s3 =
              addressing_style = path
              max_concurrent_requests=20
            output=json

            [profile work]
            ; another
            Endpoint_URL = https://s3.example.org
            """)
        #expect(document.sections.map(\.name) == ["default", "profile work"])
        let section = try #require(document.section("default"))
        #expect(section.property("region")?.value == "eu-central-1")
        #expect(section.property("s3")?.value == "")
        #expect(section.property("s3")?.nested.map(\.name) == ["addressing_style", "max_concurrent_requests"])
        #expect(section.property("s3")?.nested.map(\.value) == ["path", "20"])
        #expect(section.property("output")?.line == 7)
        #expect(document.section("profile work")?.property("endpoint_url")?.value == "https://s3.example.org")
    }

    @Test func indentedPropertiesOfASectionAreProperties() throws {
        let document = try parse("[a]\n  x = 1\n  y = 2\n[b]\n\tz = 3\n")
        #expect(document.section("a")?.properties.map(\.name) == ["x", "y"])
        #expect(document.section("b")?.properties.map(\.name) == ["z"])
    }

    @Test func aDeeperLineContinuesAValue() throws {
        let document = try parse("[a]\nx = 1\n   2\n   [3]\ny = 4\n")
        #expect(document.section("a")?.property("x")?.value == "1\n2\n[3]")
        #expect(document.section("a")?.property("y")?.value == "4")
    }

    @Test func sectionsOfOneNameAreOneAndTheLaterPropertyCounts() throws {
        let document = try parse("[a]\nx=1\n[b]\n[a]\nx=2\n")
        #expect(document.sections.map(\.name) == ["a", "b"])
        #expect(document.section("a")?.property("x")?.value == "2")
    }

    @Test func takesLineEndsOfWindowsAndAByteOrderMark() throws {
        let document = try INIDocument(parsing: [0xEF, 0xBB, 0xBF] + Array("[a]\r\nx = 1\r\n".utf8), file: "f")
        #expect(document.section("a")?.property("x")?.value == "1")
    }

    @Test func aValueMayHoldEqualsSignsAndHashesWithoutSpace() throws {
        #expect(try parse("[a]\nk = a=b#c;d\n").section("a")?.property("k")?.value == "a=b#c;d")
        #expect(try parse("[a]\nk = # nothing\n").section("a")?.property("k")?.value == "")
    }

    @Test(arguments: [
        ("x = 1\n", 1), ("[a]\nx\n", 2), ("[a\nx = 1", 1), ("[]\n", 1), ("[ ]\n", 1), ("[a]\n\n= 1\n", 3),
        ("[a] b\n", 1), ("[a]\ns3 =\n  nothing\n", 3), ("[a]\nx = \u{0}\n", 2),
    ])
    func refusesWithTheLine(_ text: String, _ line: Int) throws {
        let error = try #require(failure(text))
        #expect(error.line == line)
        #expect(error.description.hasPrefix("f:\(line): "))
    }

    @Test func refusesWhatIsNoUTF8() throws {
        #expect(throws: ConfigurationError.self) {
            try INIDocument(parsing: Array("[a]\nx = ".utf8) + [0xC3, 0x28], file: "f")
        }
    }

    @Test func neverCrashesNorTellsContent() {
        let seed: UInt64 = 20_261_121
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array("[]=#;: \t\r\nab\"'\\\u{e9}\u{0}".utf8) + [0xFF, 0xC0]
        for round in 0..<4000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<60, using: &generator) {
                if Int.random(in: 0..<8, using: &generator) == 0 {
                    bytes += Array("SECRETWORD".utf8)
                } else {
                    bytes.append(alphabet.randomElement(using: &generator)!)
                }
            }
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).count
            do throws(ConfigurationError) {
                let document = try INIDocument(parsing: bytes, file: "f")
                #expect(
                    document.sections.allSatisfy { !$0.name.isEmpty && $0.line <= lines },
                    "seed \(seed), round \(round)")
            } catch {
                let line = error.line ?? 0
                #expect((1...lines).contains(line), "seed \(seed), round \(round)")
                #expect(!error.description.contains("SECRETWORD"), "seed \(seed), round \(round)")
            }
        }
    }

    @Test func readsBackWhatIsWritten() throws {
        let seed: UInt64 = 7
        var generator = SeededGenerator(seed: seed)
        func word(_ generator: inout SeededGenerator) -> String {
            let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789_-/+=é")
            return "k"
                + String(
                    (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
                        letters.randomElement(using: &generator)!
                    })
        }
        for round in 0..<500 {
            var text = ""
            var wanted: [String: [String: String]] = [:]
            for _ in 0..<Int.random(in: 1..<6, using: &generator) {
                let section = word(&generator)
                text += "[\(section)]\n"
                for _ in 0..<Int.random(in: 0..<6, using: &generator) {
                    let name = word(&generator).filter { $0 != "=" }
                    let value = word(&generator)
                    text += Bool.random(using: &generator) ? "\(name)=\(value)\n" : "\(name) = \(value)  # note\r\n"
                    wanted[section, default: [:]][name.lowercased()] = value
                }
            }
            let document = try parse(text)
            for (section, properties) in wanted {
                for (name, value) in properties {
                    #expect(document.section(section)?.property(name)?.value == value, "seed \(seed), round \(round)")
                }
            }
        }
    }
}
