import Testing

@testable import HTTPServer

@Suite struct BodyCollectorTests {
    private func take(_ collector: inout BodyCollector, _ count: Int) -> BodyCollector.Verdict {
        [UInt8](repeating: 7, count: count).withUnsafeBytes { collector.take($0) }
    }

    @Test func aBodyWithinTheLimitIsKept() {
        var collector = BodyCollector(limit: 10)
        #expect(collector.begin(announced: 10) == .reading)
        #expect(take(&collector, 4) == .reading)
        #expect(take(&collector, 6) == .reading)
        #expect(!collector.isTooLarge)
        #expect(collector.bytes == [UInt8](repeating: 7, count: 10))
    }

    @Test func aBodyBeyondTheLimitIsPassedOverAndThenCut() {
        var collector = BodyCollector(limit: 10)
        #expect(collector.begin(announced: nil) == .reading)
        #expect(take(&collector, 10) == .reading)
        #expect(!collector.isTooLarge)
        #expect(take(&collector, 1) == .reading)
        #expect(collector.isTooLarge)
        #expect(collector.bytes.isEmpty)
        #expect(take(&collector, 149) == .reading)
        #expect(take(&collector, 1) == .cut)
    }

    @Test func whatIsAnnouncedIsBelieved() {
        var collector = BodyCollector(limit: 10)
        #expect(collector.begin(announced: 160) == .reading)
        #expect(collector.isTooLarge)
        collector = BodyCollector(limit: 10)
        #expect(collector.begin(announced: 161) == .tooLarge)
        collector = BodyCollector(limit: Int.max)
        #expect(collector.begin(announced: Int.max) == .reading)
        #expect(!collector.isTooLarge)
    }
}

@Suite struct ServingStateTests {
    @Test func aServerEndsWhenAllIsAnsweredAndTaken() {
        var state = ServingState()
        #expect(state.begin())
        #expect(state.begin())
        #expect(!state.mayEnd)
        #expect(state.stop())
        #expect(!state.stop())
        #expect(!state.begin())
        state.answered()
        state.completed()
        #expect(!state.mayEnd)
        // The client may have its answer before the handler's end is counted.
        state.completed()
        #expect(!state.mayEnd)
        state.answered()
        #expect(state.mayEnd)
    }

    @Test func anAnswerThatNobodyTakesHoldsAServerForSomeTimeOnly() {
        var state = ServingState()
        #expect(state.begin())
        #expect(state.stop())
        state.isOverdue = true
        #expect(!state.mayEnd)
        state.isOverdue = false
        state.answered()
        #expect(!state.mayEnd)
        state.isOverdue = true
        #expect(state.mayEnd)
    }
}
