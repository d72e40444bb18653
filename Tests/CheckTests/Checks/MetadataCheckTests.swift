import ObjectStore
import ObjectStoreTesting
import Testing

@testable import Check

@Suite struct MetadataCheckTests {
    @Test(arguments: [
        (BadMode.info, ["mode": "rw-r--r--"]), (BadMode.info, ["mode": "99999999"]), (BadOwner.info, ["uid": "root"]),
        (BadOwner.info, ["gid": "4294967295"]), (BadTime.info, ["mtime": "yesterday"]),
        (BadTime.info, ["atime": "1.x"]),
        (BadExtendedAttributes.info, ["xattr": "%7Bnot json"]),
    ])
    func unreadableValues(_ check: CheckInfo, _ user: [String: String]) async {
        let bucket = PlantedBucket()
        bucket.plant("file", "content", user: user.merging(["foreign": "kept"]) { a, _ in a }, type: "text/x-odd")
        await bucket.expectFoundAndMended(check, at: ["file"])
        let metadata = bucket.store.info(of: "file")?.metadata
        #expect(metadata?.user["foreign"] == "kept")
        #expect(metadata?.contentType == "text/x-odd")
        for (name, value) in user { #expect(metadata?.user["pail-was-" + name] == value) }
    }

    @Test func severalOfOneObjectAreMendedByOneCopy() async {
        let bucket = PlantedBucket()
        bucket.plant("file", "content", user: ["mode": "x", "uid": "y", "mtime": "z"])
        bucket.store.log.reset()
        let report = await bucket.check(.all)
        #expect(report.mended == 3)
        #expect(bucket.store.log.count(.copy) == 1)
        #expect(await bucket.check().status == [])
        // The time that was shown before is the time of storing, which the copy has moved.
        #expect(bucket.store.info(of: "file")?.metadata.user["mtime"] == "\(PlantedBucket.now - 172_800)")
    }

    @Test func aMarkerThatSaysItIsAFile() async {
        let bucket = PlantedBucket()
        bucket.plant("d/", user: ["mode": "33188"])
        await bucket.expectFoundAndMended(TypeContradictsKey.info, at: ["d/"])
    }

    @Test func aMarkerOnAStoreThatDropsItsMetadata() async {
        let bucket = PlantedBucket(.seaweedFS)
        bucket.plant("d/", type: "application/x-directory; pail=\"mode=16877&mtime=never\"")
        await bucket.expectFoundAndMended(BadTime.info, at: ["d/"])
        #expect(bucket.store.info(of: "d/")?.metadata.contentType?.contains("mode=16877") == true)
    }

    @Test(arguments: ["4516", "8612", "24996", "49572"])
    func hiddenBody(_ mode: String) async {
        let bucket = PlantedBucket()
        bucket.plant("special", "content", user: ["mode": mode])
        await bucket.expectFoundAndMended(HiddenBody.info, at: ["special"])
        #expect(bucket.store.content(of: "lost+found/special") == Array("content".utf8))
    }

    @Test func aDirectoryWithContent() async {
        let bucket = PlantedBucket()
        bucket.plant("old", "content", type: "application/x-directory")
        await bucket.expectFoundAndMended(HiddenBody.info, at: ["old"])
        #expect(bucket.store.info(of: "lost+found/old")?.metadata.contentType == "application/octet-stream")
    }

    @Test(arguments: [
        "", "zero\u{0}byte", "   \n", String(repeating: "t", count: 4096), String(repeating: "t", count: 9000),
    ])
    func badLinkTarget(_ body: String) async {
        let bucket = PlantedBucket()
        bucket.plant("link", body, user: ["mode": "41471"])
        await bucket.expectFoundAndMended(BadLinkTarget.info, at: ["link"])
    }

    @Test func goodFilesOfAllTypesAreNoFindings() async {
        let bucket = PlantedBucket()
        bucket.plant("link", "../target", user: ["mode": "41471"])
        bucket.plant("pipe", user: ["mode": "4516"])
        bucket.plant("d/", user: ["mode": "493", "mtime": "1577934245"])
        bucket.plant("rclone", "x", user: ["mtime": "1577934245.5"])
        bucket.plant(
            "s3fs", "x", user: ["mode": "33188", "uid": "0x10", "xattr": "%7B%22user.k1%22%3A%22djE%3D%22%7D"])
        let report = await bucket.check()
        #expect(report.kinds.isEmpty, "\(report.kinds)")
        #expect(report.status == [])
    }

    @Test func metadataOverTheLimit() async {
        var options = InMemoryStore.Options.s3
        options.metadataLimit = 10_000
        let bucket = PlantedBucket(options)
        bucket.plant("file", "x", user: ["much": String(repeating: "x", count: 2100)])
        await bucket.expectFoundAndLeft(LargeMetadata.info, at: ["file"])
    }

    @Test func foreignAttributes() async {
        let bucket = PlantedBucket()
        bucket.plant("google", "x", user: ["goog-reserved-posix-mode": "644"])
        bucket.plant("s3sync", "x", user: ["permissions": "420", "owner": "0", "group": "0"])
        await bucket.expectFoundAndLeft(ForeignAttributes.info, at: ["google", "s3sync"])
    }
}
