import ObjectStore
import ObjectStoreTesting
import Testing

@testable import Check

@Suite struct InFlightCheckTests {
    @Test func unlinkedLeftover() async {
        let bucket = PlantedBucket()
        bucket.plant(".pail/unlinked/1f", "was unlinked")
        bucket.plant(".pail/unlinked/2f", "is still open", age: 60)
        await bucket.expectFoundAndMended(UnlinkedLeftover.info, at: [".pail/unlinked/1f"])
        #expect(bucket.store.content(of: ".pail/unlinked/2f") != nil)
    }

    @Test func exchangeLeftoverThatMayBeTheOnlyCopy() async {
        let bucket = PlantedBucket()
        bucket.plant("a/", "")
        bucket.plant("a/b", "the larger one's content")
        bucket.plant(".pail/exchange/77/a/b", "the smaller")
        bucket.plant(".pail/exchange/77-kept/a/b", "kept")
        bucket.plant(".pail/exchange/78/x", "young", age: 60)
        await bucket.expectFoundAndMended(
            ExchangeLeftover.info, at: [".pail/exchange/77-kept/a/b", ".pail/exchange/77/a/b"])
        #expect(bucket.store.content(of: "lost+found/.pail%2Fexchange%2F77%2Fa%2Fb") == Array("the smaller".utf8))
        #expect(bucket.store.content(of: ".pail/exchange/78/x") != nil)
    }

    @Test func exchangeLeftoverWhoseContentStandsInItsPlace() async {
        let bucket = PlantedBucket()
        bucket.plant("b", "the smaller")
        bucket.plant(".pail/exchange/77/b", "the smaller")
        let report = await bucket.check(.all)
        #expect(report.mended == 1)
        #expect(bucket.store.allKeys == ["b"])
    }

    @Test func probeLeftover() async {
        let bucket = PlantedBucket()
        bucket.plant(".pail/probe/x/first", "probe")
        bucket.plant(".pail/probe/y/first", "probe", age: 60)
        let report = await bucket.check(.preen)
        #expect(report.kinds[ProbeLeftover.info.name]?.mended == 1)
        #expect(bucket.store.allKeys == [".pail/probe/y/first"])
        #expect(await bucket.check().status == [])
    }

    @Test func whatIsOwnIsNoFinding() async {
        let bucket = PlantedBucket()
        bucket.plant(".pail/root/", user: ["mode": "16877"])
        bucket.plant(".pail/")
        bucket.plant(".pail/unlinked/")
        #expect(await bucket.check().kinds.isEmpty)
    }

    @Test func reservedStranger() async {
        let bucket = PlantedBucket()
        bucket.plant(".pail/future/thing", "unknown")
        await bucket.expectFoundAndLeft(ReservedStranger.info, at: [".pail/future/thing"])
    }

    @Test func hiddenFile() async {
        let bucket = PlantedBucket()
        bucket.plant(".fuse_hidden0001", "s3fs")
        bucket.plant(".fuse_hidden0002", "open now", age: 5)
        await bucket.expectFoundAndLeft(HiddenFile.info, at: [".fuse_hidden0001"])
    }

    @Test func incompleteUpload() async throws {
        var bucket = PlantedBucket()
        let upload = try await bucket.store.createUpload("big", metadata: ObjectMetadata())
        _ = try await bucket.store.uploadPart(upload, number: 1, body: ArrayBody([1, 2, 3]))
        #expect(await bucket.check(.all).status == [], "it is young")
        bucket.options.minimumAge = 0
        let report = await bucket.check()
        #expect(report.kinds[IncompleteUpload.info.name]?.examples.map(\.key) == ["big"])
        #expect(report.status == .uncorrected)
        #expect(await bucket.check(.preen).status == .uncorrected)
        #expect(await bucket.check(.all).status == .corrected)
        #expect(bucket.store.uploadsUnderWay.isEmpty)
        #expect(await bucket.check().status == [])
    }

    @Test func nothingOfALiveMountIsMended() async {
        var bucket = PlantedBucket()
        bucket.plant(".pail/unlinked/1f", "perhaps still open")
        bucket.options.ownedWork = {
            var work = OwnedWork()
            work.silent = ["/mnt/bucket"]
            return work
        }
        let report = await bucket.check(.all)
        #expect(report.status == .uncorrected)
        #expect(report.kinds[UnlinkedLeftover.info.name]?.failed == 1)
        #expect(bucket.store.allKeys == [".pail/unlinked/1f"])
        bucket.options.isForced = true
        #expect(await bucket.check(.all).status == .corrected)
    }

    @Test func clockSkew() async {
        let bucket = PlantedBucket()
        bucket.plant("early", "x", age: -400)
        bucket.plant("fine", "x", age: -200)
        await bucket.expectFoundAndLeft(ClockSkew.info, at: ["early"])
    }

    @Test func archivedObject() async {
        let bucket = PlantedBucket()
        bucket.store.insert(
            "cold", [1], metadata: ObjectMetadata(storageClass: "DEEP_ARCHIVE"),
            lastModified: Timestamp(seconds: PlantedBucket.now - 10))
        await bucket.expectFoundAndLeft(ArchivedObject.info, at: ["cold"])
    }

    @Test func settingsOfTheBucket() async {
        var bucket = PlantedBucket()
        bucket.options.settings = BucketSettings(versioning: "Enabled", uploadDays: nil)
        var report = await bucket.check()
        #expect(Set(report.kinds.keys) == [BucketVersions.info.name, UploadLifecycle.info.name])
        #expect(report.status == [])
        bucket.options.settings = BucketSettings(versioning: nil, uploadDays: "7")
        report = await bucket.check()
        #expect(report.kinds.isEmpty)
    }

    @Test func missingCapability() async {
        var bucket = PlantedBucket(.ignoringConditions)
        bucket.options.features = bucket.store.features
        let report = await bucket.check()
        #expect(report.kinds["store-capability"]?.found == 6)
        #expect(report.status == [])
    }
}
