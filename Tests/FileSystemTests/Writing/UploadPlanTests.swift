import ObjectStore
import Testing

@testable import FileSystem

@Suite struct UploadPlanTests {
    static func tiny(min: Int64 = 16, max: Int64 = 1 << 20, count: Int = 10_000) -> StoreFeatures {
        var features = StoreFeatures()
        features.minimumPartSize = min
        features.maximumPartSize = max
        features.maximumPartCount = count
        return features
    }

    static func limits(part: Int64 = 64, put: Int64 = 64, copy: Int64 = 512) -> WritingLimits {
        var limits = WritingLimits(spillDirectory: "/tmp")
        limits.partSize = part
        limits.singlePutThreshold = put
        limits.copyPartSize = copy
        return limits
    }

    static let block = StagingBlock.inMemory(capacity: 4096, budget: MemoryBudget(limit: 4096))!

    /// Checks what holds of every plan, and returns the bytes sent.
    static func check(
        _ parts: [PlannedPart], _ content: ExtentMap, _ features: StoreFeatures, _ comment: String
    ) -> Int64 {
        var position: Int64 = 0
        var sent: Int64 = 0
        #expect(!parts.isEmpty && parts.count <= features.maximumPartCount, "\(comment)")
        for (index, part) in parts.enumerated() {
            #expect(part.number == index + 1, "\(comment)")
            #expect(part.range.lowerBound == position && !part.range.isEmpty, "\(comment)")
            position = part.range.upperBound
            #expect(Int64(part.range.count) <= features.maximumPartSize, "\(comment)")
            #expect(
                index == parts.count - 1 || Int64(part.range.count) >= features.minimumPartSize, "\(comment) \(part)")
            switch part.source {
            case .copy(let range):
                #expect(range.count == part.range.count, "\(comment)")
                #expect(features.partCopies, "\(comment)")
                let extents = content.slice(part.range)
                #expect(extents.count == 1, "\(comment)")
                guard case .object(let offset) = extents[0].source else {
                    Issue.record("a copy of what is not the base's: \(comment)")
                    continue
                }
                #expect(offset == range.lowerBound, "\(comment)")
            case .upload: sent += Int64(part.range.count)
            case .present: break
            }
        }
        #expect(position == content.size, "\(comment)")
        return sent
    }

    @Test func smallAndEmptyFilesAreOnePut() throws {
        #expect(
            try UploadPlan(content: ExtentMap(), baseSize: nil, features: Self.tiny(), limits: Self.limits()) == .put)
        var map = ExtentMap(objectSize: 60)
        map.write(3..<5, .staged(Self.block, offset: 0))
        #expect(try UploadPlan(content: map, baseSize: 60, features: Self.tiny(), limits: Self.limits()) == .put)
        // Cut down from large to nothing.
        #expect(
            try UploadPlan(content: ExtentMap(), baseSize: 999, features: Self.tiny(), limits: Self.limits()) == .put)
    }

    @Test func unchangedIsNothing() throws {
        let map = ExtentMap(objectSize: 6000)
        #expect(try UploadPlan(content: map, baseSize: 6000, features: Self.tiny(), limits: Self.limits()) == .nothing)
        #expect(
            try UploadPlan(content: ExtentMap(), baseSize: 0, features: Self.tiny(), limits: Self.limits()) == .nothing)
    }

    @Test func anAppendCopiesTheBaseAndSendsTheTail() throws {
        var map = ExtentMap(objectSize: 1000)
        map.write(1000..<1010, .staged(Self.block, offset: 0))
        let plan = try UploadPlan(content: map, baseSize: 1000, features: Self.tiny(), limits: Self.limits())
        #expect(
            plan
                == .multipart([
                    PlannedPart(number: 1, range: 0..<512, source: .copy(0..<512)),
                    PlannedPart(number: 2, range: 512..<1000, source: .copy(512..<1000)),
                    PlannedPart(number: 3, range: 1000..<1010, source: .upload),
                ]))
    }

    @Test func oneByteInTheMiddleSendsOneMinimumPart() throws {
        var map = ExtentMap(objectSize: 1000)
        map.write(500..<501, .staged(Self.block, offset: 0))
        let plan = try UploadPlan(content: map, baseSize: 1000, features: Self.tiny(), limits: Self.limits())
        guard case .multipart(let parts) = plan else { throw Failure() }
        #expect(Self.check(parts, map, Self.tiny(), "") == 16)
    }

    @Test func aChangeNearTheStartDoesNotMakeASmallFirstPart() throws {
        var map = ExtentMap(objectSize: 1000)
        map.write(3..<4, .staged(Self.block, offset: 0))
        let plan = try UploadPlan(content: map, baseSize: 1000, features: Self.tiny(), limits: Self.limits())
        guard case .multipart(let parts) = plan else { throw Failure() }
        #expect(Self.check(parts, map, Self.tiny(), "") == 16)
        #expect(parts[0].range == 0..<16)
    }

    @Test func theScheduleReachesBeyondTheLargestObject() throws {
        let features = StoreFeatures()
        let schedule = PartSchedule(partSize: 8 << 20, features: features)
        #expect(schedule.size(ofPart: 1) == 8 << 20)
        #expect(schedule.size(ofPart: 1000) == 8 << 20)
        #expect(schedule.size(ofPart: 1001) == 16 << 20)
        #expect((1...10_000).reduce(0) { $0 + schedule.size(ofPart: $1) } > 5 << 40)
        #expect((1...10_000).allSatisfy { schedule.size(ofPart: $0) <= 5 << 30 })
        // The smallest part size does not reach of itself; the plan knows the size and makes it.
        var map = ExtentMap()
        map.truncate(to: 5 << 40)
        var limits = WritingLimits(spillDirectory: "/tmp")
        limits.partSize = 5 << 20
        guard
            case .multipart(let parts) = try UploadPlan(content: map, baseSize: nil, features: features, limits: limits)
        else { throw Failure() }
        _ = Self.check(parts, map, features, "5 TiB")
        map.truncate(to: 5 << 40 + 1)
        #expect(throws: UploadPlan.TooLarge.self) {
            try UploadPlan(content: map, baseSize: nil, features: features, limits: limits)
        }
    }

    @Test func fixedPartsKeepNumberAndRange() throws {
        var map = ExtentMap()
        map.write(0..<300, .staged(Self.block, offset: 0))
        let one = UploadedPart(number: 1, etag: ETag("a"))
        let three = UploadedPart(number: 3, etag: ETag("c"))
        let fixed = [
            UploadPlan.FixedPart(number: 1, range: 0..<64, uploaded: one),
            UploadPlan.FixedPart(number: 2, range: 64..<128, uploaded: nil),
            UploadPlan.FixedPart(number: 3, range: 128..<192, uploaded: three),
        ]
        let plan = try UploadPlan(
            content: map, baseSize: nil, fixed: fixed, features: Self.tiny(), limits: Self.limits())
        #expect(
            plan
                == .multipart([
                    PlannedPart(number: 1, range: 0..<64, source: .present(one)),
                    PlannedPart(number: 2, range: 64..<128, source: .upload),
                    PlannedPart(number: 3, range: 128..<192, source: .present(three)),
                    PlannedPart(number: 4, range: 192..<256, source: .upload),
                    PlannedPart(number: 5, range: 256..<300, source: .upload),
                ]))
    }

    @Test(arguments: 0..<1500) func randomPlansAreLegal(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var features = Self.tiny(
            min: Int64.random(in: 1...64, using: &random), max: Int64.random(in: 300...4000, using: &random),
            count: Int.random(in: 60...2000, using: &random))
        features.partCopies = seed % 5 != 0
        let limits = Self.limits(
            part: Int64.random(in: 1...200, using: &random), put: Int64.random(in: 0...200, using: &random),
            copy: Int64.random(in: 1...2000, using: &random))
        let baseSize: Int64? = seed % 4 == 1 ? nil : Int64.random(in: 0...10_000, using: &random)
        var map = ExtentMap(objectSize: baseSize ?? 0)
        for _ in 0..<Int.random(in: 0...60, using: &random) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0: map.truncate(to: Int64.random(in: 0...12_000, using: &random))
            case 1: map.zero(0..<Int64.random(in: 0...12_000, using: &random))
            default:
                let lower = Int64.random(in: 0..<11_000, using: &random)
                map.write(lower..<lower + Int64.random(in: 1...300, using: &random), .staged(Self.block, offset: 0))
            }
        }
        let comment = "seed \(seed)"
        let plan = try UploadPlan(content: map, baseSize: baseSize, features: features, limits: limits)
        switch plan {
        case .nothing: #expect(baseSize.map { map.isUnchanged(fromBaseOf: $0) } == true, "\(comment)")
        case .put: #expect(map.size <= max(limits.singlePutThreshold, 0) || map.size == 0, "\(comment)")
        case .multipart(let parts):
            let sent = Self.check(parts, map, features, comment)
            let dirty = map.dirtyRanges.reduce(0) { $0 + Int64($1.count) }
            #expect(sent >= dirty || !features.partCopies, "\(comment)")
            if features.partCopies, features.maximumPartCount >= 1000 {
                // Each change costs its bytes and at most two minimum parts: the one that it fills, and a base run too short.
                let changes = Int64(map.dirtyRanges.count)
                #expect(sent <= dirty + changes * 3 * features.minimumPartSize, "\(comment)")
            }
        }
    }

    struct Failure: Error {}
}
