import ObjectStore
import ObjectStoreTesting
import Testing

@testable import Check

@Suite struct NamespaceCheckTests {
    @Test func unshowableKey() async {
        let bucket = PlantedBucket()
        let long = ObjectKey(String(repeating: "n", count: 256))
        let limit = ObjectKey((0..<4).map { _ in String(repeating: "d", count: 254) + "/" }.joined() + "four")
        #expect(limit.utf8Count == 1024)
        let keys: [ObjectKey] = ["../up", "./dot", "/lead", "a//b", "dir/./x", limit, long, "trail//", "zero\u{0}byte"]
        for (index, key) in keys.enumerated() { bucket.plant(key, "content \(index)") }
        await bucket.expectFoundAndMended(UnshowableKey.info, at: keys.sorted())
        #expect(bucket.store.allKeys.contains("lost+found/a%2F%2Fb"))
        #expect(bucket.store.allKeys.allSatisfy { $0.utf8Count <= 1023 })
    }

    @Test func fileAndDirectory() async {
        let bucket = PlantedBucket()
        bucket.plant("n", "the file")
        bucket.plant("n-1", "between in the listing")
        bucket.plant("n.txt", "between as well")
        bucket.plant("n.txt/below", "below")
        bucket.plant("n/x", "hidden")
        bucket.plant("n/y", "hidden too")
        await bucket.expectFoundAndMended(FileAndDirectory.info, at: ["n.txt", "n"])
        #expect(bucket.store.content(of: "lost+found/n") == Array("the file".utf8))
        #expect(bucket.store.content(of: "n/x") == Array("hidden".utf8))
    }

    @Test func aDirectoryInTheOldFormHidesNothing() async {
        let bucket = PlantedBucket()
        bucket.plant("old", type: "application/x-directory")
        bucket.plant("old/x", "x")
        bucket.plant("older", user: ["mode": "16877"])
        bucket.plant("older/x", "x")
        let report = await bucket.check()
        #expect(report.status == [])
        #expect(report.kinds[PlainDirectory.info.name]?.examples.map(\.key) == ["old", "older"])
    }

    @Test func orphanMarker() async {
        let bucket = PlantedBucket()
        bucket.plant("n", "file")
        bucket.plant("n/")
        bucket.plant("p", "file")
        bucket.plant("p/", "content behind a slash")
        let contents = bucket.contents
        let first = await bucket.check()
        #expect(first.kinds[OrphanMarker.info.name]?.examples.map(\.key) == ["n/", "p/"])
        _ = await bucket.check(.all)
        let third = await bucket.check()
        #expect(third.status == [])
        #expect(bucket.contents == contents)
    }

    @Test func markerWithBody() async {
        let bucket = PlantedBucket()
        bucket.plant("d/", "not seen", user: ["mode": "16877", "uid": "7"])
        bucket.plant("d/x", "x")
        await bucket.expectFoundAndMended(MarkerWithBody.info, at: ["d/"])
        #expect(bucket.store.content(of: "d/") == [])
        #expect(bucket.store.info(of: "d/")?.metadata.user["uid"] == "7")
        #expect(bucket.store.content(of: "lost+found/d") == Array("not seen".utf8))
        #expect(bucket.store.info(of: "lost+found/d")?.metadata.user["mode"] == "33188")
    }

    @Test func missingMarker() async {
        let bucket = PlantedBucket()
        bucket.plant("a/b/c", "c")
        bucket.plant("a/b/d", "d")
        bucket.plant("e/")
        bucket.plant("e/f", "f")
        await bucket.expectFoundAndMended(MissingMarker.info, at: ["a/", "a/b/"])
    }

    @Test func unicodeTwins() async {
        let bucket = PlantedBucket()
        let composed = ObjectKey("d/caf\u{E9}")
        let decomposed = ObjectKey("d/cafe\u{301}")
        bucket.plant("d/")
        bucket.plant(composed, "one")
        bucket.plant(decomposed, "two")
        bucket.plant("caf\u{E9}", "elsewhere")
        await bucket.expectFoundAndLeft(UnicodeTwins.info, at: [composed])
    }

    @Test func twinsOfDirectories() async {
        let bucket = PlantedBucket()
        bucket.plant("cafe\u{301}/a", "a")
        bucket.plant("cafe\u{301}/b", "b")
        bucket.plant("caf\u{E9}/a", "a")
        let report = await bucket.check()
        #expect(report.kinds[UnicodeTwins.info.name]?.examples.map(\.key) == ["caf\u{E9}/a"])
    }

    @Test func foreignMarker() async {
        let bucket = PlantedBucket()
        bucket.plant("d_$folder$")
        bucket.plant("full_$folder$", "content: a file")
        await bucket.expectFoundAndLeft(ForeignMarker.info, at: ["d_$folder$"])
    }

    @Test func aReplacementCharacterThatIsReallyThere() async {
        let bucket = PlantedBucket()
        bucket.plant("really\u{FFFD}", "there")
        let report = await bucket.check()
        #expect(report.kinds[InvalidUTF8.info.name] == nil)
    }

    @Test func invalidUTF8() async {
        let bucket = PlantedBucket()
        let store = MisreadStore(bucket.store, added: "bytes\u{FFFD}")
        let report = await BucketCheck(store, options: bucket.options).run()
        #expect(report.kinds[InvalidUTF8.info.name]?.examples.map(\.key) == ["bytes\u{FFFD}"])
        #expect(report.status == .uncorrected)
    }

    @Test func aPrefixIsCheckedAlone() async {
        var bucket = PlantedBucket()
        bucket.options.prefix = "p/q/"
        bucket.plant("p/q/")
        bucket.plant("p/q/a//b", "hidden")
        bucket.plant("p//other", "not looked at")
        await bucket.expectFoundAndMended(UnshowableKey.info, at: ["p/q/a//b"])
        #expect(bucket.store.allKeys.contains("p/q/lost+found/a%2F%2Fb"))
        #expect(bucket.store.allKeys.contains("p//other"))
    }
}

/// A store whose listing holds a key that cannot be asked for: its bytes are no UTF-8.
private final class MisreadStore: DecoratingStore {
    let base: any ObjectStore
    let added: ObjectKey

    init(_ base: any ObjectStore, added: ObjectKey) {
        self.base = base
        self.added = added
    }

    func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        let answer = try await call()
        guard request.operation == .list, var page = answer as? ListPage else { return answer }
        page.objects.append(
            ListedObject(key: added, size: 3, etag: nil, lastModified: Timestamp(seconds: PlantedBucket.now - 10)))
        return page as? Answer ?? answer
    }
}
