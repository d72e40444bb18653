import Testing

@testable import Volumes

@Suite struct VolumeNameTests {
    @Test(arguments: ["a", "0", "data", "my_data.2-x", String(repeating: "n", count: 200)])
    func namesOfDockerAreNames(text: String) throws {
        #expect(try VolumeName(text).description == text)
    }

    @Test(arguments: [
        nil, "", ".", "..", "-x", "_x", ".x", "a/b", "/a", "a\0b", "../x", "a b", "a\n", "ä", "a:b",
        String(repeating: "n", count: 201),
    ])
    func nothingElseIs(text: String?) {
        #expect(throws: VolumeRefusal.self) { try VolumeName(text) }
    }
}
