import ObjectStore
import Testing

@testable import FileSystem

@Suite struct StreamingUploadTests {
    static let schedule = PartSchedule(partSize: 100, features: UploadPlanTests.tiny())

    static func next(_ stream: inout StreamingUpload, _ run: Range<Int64>, parallel: Int = 2) -> StreamingUpload.Action
    {
        stream.next(run: run, schedule: schedule, threshold: 100, parallel: parallel, maximumPartCount: 5)
    }

    static func active() -> StreamingUpload {
        var stream = StreamingUpload()
        let action7 = next(&stream, 0..<101)
        #expect(action7 == .create)
        stream.created(
            StreamingSession(
                upload: MultipartUpload(key: "k", id: "1"),
                target: UploadTarget(key: "k", metadata: ObjectMetadata(), precondition: .none)))
        return stream
    }

    static func part(_ number: Int) -> UploadedPart { UploadedPart(number: number, etag: ETag("\(number)")) }

    @Test func beginsWhenAPartIsLeftBehind() {
        var stream = StreamingUpload()
        let action8 = Self.next(&stream, 0..<100)
        #expect(action8 == .none)
        let action9 = Self.next(&stream, 1..<500)
        #expect(action9 == .none)
        let action10 = Self.next(&stream, 0..<101)
        #expect(action10 == .create)
        #expect(stream.isBusy)
        let action11 = Self.next(&stream, 0..<300)
        #expect(action11 == .none)
        stream.notCreated()
        #expect(!stream.isBusy)
        let action12 = Self.next(&stream, 0..<300)
        #expect(action12 == .none)
        stream.reset()
        let action13 = Self.next(&stream, 0..<300)
        #expect(action13 == .create)
    }

    @Test func sendsInOrderAndKeepsToTheLimits() {
        var stream = Self.active()
        let action14 = Self.next(&stream, 0..<1000)
        #expect(action14 == .send(number: 1, range: 0..<100))
        let action15 = Self.next(&stream, 0..<1000)
        #expect(action15 == .send(number: 2, range: 100..<200))
        let action16 = Self.next(&stream, 0..<1000)
        #expect(action16 == .none)
        #expect(stream.backlog(to: 1000) == 1000)
        let current1 = stream.answered(1, range: 0..<100, part: Self.part(1))
        #expect(current1)
        #expect(stream.backlog(to: 1000) == 900)
        let action17 = Self.next(&stream, 0..<1000)
        #expect(action17 == .none)
        stream.ended()
        let action18 = Self.next(&stream, 0..<1000)
        #expect(action18 == .send(number: 3, range: 200..<300))
        let action19 = Self.next(&stream, 0..<1000, parallel: 10)
        #expect(action19 == .send(number: 4, range: 300..<400))
        let action20 = Self.next(&stream, 0..<1000, parallel: 10)
        #expect(action20 == .send(number: 5, range: 400..<500))
        let action21 = Self.next(&stream, 0..<1000, parallel: 10)
        #expect(action21 == .none)
    }

    @Test func aChangeMakesAPartStaleWhereverItIs() {
        var stream = Self.active()
        _ = Self.next(&stream, 0..<1000)
        _ = Self.next(&stream, 0..<1000)
        let current2 = stream.answered(1, range: 0..<100, part: Self.part(1))
        #expect(current2)
        stream.ended()
        stream.changed(99..<101)
        #expect(!stream.isCurrent(1, range: 0..<100))
        // The answer comes after the change: the store has old bytes.
        let current3 = stream.answered(2, range: 100..<200, part: Self.part(2))
        #expect(!current3)
        stream.ended()
        #expect(stream.fixedParts.allSatisfy { $0.uploaded == nil })
        #expect(!stream.isBusy)
        let action22 = Self.next(&stream, 0..<1000)
        #expect(action22 == .send(number: 3, range: 200..<300))
    }

    @Test func aCutTakesPartsAwayAndEndsStreaming() {
        var stream = Self.active()
        _ = Self.next(&stream, 0..<1000)
        _ = Self.next(&stream, 0..<1000)
        let current4 = stream.answered(1, range: 0..<100, part: Self.part(1))
        #expect(current4)
        stream.ended()
        stream.cut(to: 150)
        #expect(stream.fixedParts == [.init(number: 1, range: 0..<100, uploaded: Self.part(1))])
        #expect(stream.isBusy)
        let current5 = stream.answered(2, range: 100..<200, part: Self.part(2))
        #expect(!current5)
        stream.ended()
        #expect(!stream.isBusy)
        let action23 = Self.next(&stream, 0..<1000)
        #expect(action23 == .none)
        stream.reset()
        let action24 = Self.next(&stream, 0..<1000)
        #expect(action24 == .create)
    }

    @Test func aFailedPartIsLeftToTheCommit() {
        var stream = Self.active()
        _ = Self.next(&stream, 0..<1000)
        let current6 = stream.answered(1, range: 0..<100, part: nil)
        #expect(!current6)
        stream.ended()
        #expect(stream.fixedParts == [.init(number: 1, range: 0..<100, uploaded: nil)])
        let action25 = Self.next(&stream, 0..<1000)
        #expect(action25 == .none)
    }

    @Test func aPausedOneBeginsNothing() {
        var stream = Self.active()
        stream.pause()
        let action26 = Self.next(&stream, 0..<1000)
        #expect(action26 == .none)
        stream.resume()
        let action27 = Self.next(&stream, 0..<1000)
        #expect(action27 == .send(number: 1, range: 0..<100))
    }
}
