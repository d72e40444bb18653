import Testing

@testable import FileSystem

private func set(_ name: String, to value: [UInt8]?, in attributes: inout ExtendedAttributes) -> Bool {
    attributes.set(name, to: value)
}

@Suite struct ExtendedAttributesTests {
    @Test func theFormOfS3fs() {
        let text = "%7B%22user.k1%22%3A%22djE%3D%22%2C%22user.k2%22%3A%22djI%3D%22%7D"
        let attributes = ExtendedAttributes([
            .init(name: "user.k2", value: Array("v2".utf8)), .init(name: "user.k1", value: Array("v1".utf8)),
        ])
        #expect(attributes.header == text)
        #expect(ExtendedAttributes(header: text) == attributes)
        #expect(attributes.entries?.map(\.name) == ["user.k1", "user.k2"])
    }

    @Test func noneIsNoHeader() {
        #expect(ExtendedAttributes.none.header == nil)
        #expect(ExtendedAttributes(header: nil) == .none)
        #expect(ExtendedAttributes(header: "") == .none)
        #expect(ExtendedAttributes(header: "%7B%7D") == .none)
        var attributes = ExtendedAttributes([.init(name: "a", value: [1])])
        #expect(set("a", to: nil, in: &attributes))
        #expect(attributes.header == nil)
    }

    @Test func changes() {
        var attributes = ExtendedAttributes.none
        #expect(set("user.b", to: [2], in: &attributes))
        #expect(set("user.a", to: [], in: &attributes))
        #expect(set("user.b", to: [3], in: &attributes))
        #expect(set("user.none", to: nil, in: &attributes))
        #expect(attributes["user.a"] == [])
        #expect(attributes["user.b"] == [3])
        #expect(attributes["user.c"] == nil)
        #expect(attributes.entries?.count == 2)
    }

    // The two spellings of é are two names to the kernel and one to Swift's ==.
    @Test func namesAreBytes() {
        let one = "user.\u{e9}"
        let two = "user.e\u{301}"
        let attributes = ExtendedAttributes([.init(name: one, value: [1]), .init(name: two, value: [2])])
        #expect(attributes[one] == [1])
        #expect(attributes[two] == [2])
        let back = ExtendedAttributes(header: attributes.header)
        #expect(back[one] == [1])
        #expect(back[two] == [2])
    }

    @Test(arguments: [
        #"{"user.a"b":"djE="}"#, #"{"user.a"b":"djE=","z":"djI="}"#, #"{"a,b":"djE="}"#, #"{"a:b":"djE="}"#,
        #"{"a\":"djE="}"#, #"{"a\qb":"djE="}"#, #"{"x","y":"djE="}"#, #"{"":"":"djE="}"#,
    ])
    func unescapedNamesOfS3fs(json: String) throws {
        let attributes = ExtendedAttributes(header: PathPercentCoding.encode(json.utf8))
        let first = try #require(attributes.entries?.first)
        #expect(first.value == Array("v1".utf8))
        #expect(json.hasPrefix("{\"\(first.name)\":\"djE=\""))
        // Written again it is proper JSON, and reads the same.
        #expect(ExtendedAttributes(header: attributes.header) == attributes)
    }

    @Test func properJSON() {
        let json = #" { "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00" : "djE" , "b":"" , "b":"djI="} "#
        let attributes = ExtendedAttributes(header: PathPercentCoding.encode(json.utf8))
        #expect(attributes["a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1F600}"] == Array("v1".utf8))
        #expect(attributes["b"] == Array("v2".utf8))
        #expect(ExtendedAttributes(header: #"{"plain":"djE="}"#)["plain"] == Array("v1".utf8))
    }

    @Test(arguments: [
        "%", "%7", "%zz", "x", "{", "}", "{}x", "[]", "null", #"{"a":1}"#, #"{"a":null}"#, #"{"a":"!"}"#,
        #"{"a":"djE="#,
        #"{"a":"djE=",}"#, #"{"a":"d"}"#, #"{"":"djE="}"#, #"{"a" "djE="}"#, #"{"a":"d=jE"}"#, #"{"%FF":"djE="}"#,
        #"{"a":{"b":"djE="}}"#, #"{"a":["djE="]}"#, #"{"a":"djE==="}"#,
    ])
    func unreadableIsKept(text: String) {
        var attributes = ExtendedAttributes(header: text)
        #expect(attributes == .unreadable(text))
        #expect(attributes.header == text)
        #expect(attributes.entries == nil)
        let changed = attributes.set("user.a", to: [1])
        #expect(!changed)
        #expect(!attributes.isEmpty)
        #expect(attributes.header == text)
    }

    @Test func roundTrips() {
        var random = SeededRandom(seed: 0x5EED_0003)
        let scalars: [Unicode.Scalar] = [
            "a", "b", ".", "\"", "\\", ",", ":", "{", "}", "\u{1}", "\u{1f}", "\u{7f}", "\n", "é", "😀", "%", "/", " ",
            "=",
        ]
        for _ in 0..<3000 {
            let entries = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                var name = "user."
                for _ in 0..<Int.random(in: 0...8, using: &random) {
                    name.unicodeScalars.append(scalars.randomElement(using: &random)!)
                }
                let value = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                return ExtendedAttributes.Entry(name: name, value: value)
            }
            let attributes = ExtendedAttributes(entries)
            #expect(ExtendedAttributes(header: attributes.header) == attributes)
        }
    }

    @Test func hostileTextNeverCrashes() {
        var random = SeededRandom(seed: 0x5EED_0004)
        let pieces = ["{", "}", "\"", ":", ",", "\\", "u", "D83D", "d", "=", "djE=", " ", "%", "%22", "\":\"", "é"]
        for _ in 0..<50_000 {
            let text = (0..<Int.random(in: 0...20, using: &random)).map { _ in pieces.randomElement(using: &random)! }
            let attributes = ExtendedAttributes(header: "{\"" + text.joined())
            if attributes.entries == nil { #expect(attributes.header == "{\"" + text.joined()) }
        }
    }
}

@Suite struct Base64Tests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ])
    func rfc4648(bytes: String, text: String) {
        #expect(Base64.encode(Array(bytes.utf8)) == Array(text.utf8))
        #expect(Base64.decode(Array(text.utf8)) == Array(bytes.utf8))
    }
}
