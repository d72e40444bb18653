import Testing

@testable import HTTPServer

@Suite struct BodyCollectorTests {
    private func take(_ collector: inout BodyCollector, _ count: Int) -> BodyCollector.Verdict {
        [UInt8](repeating: 7, count: count).withUnsafeBytes { collector.take($0) }
    }

    @Test func aBodyWithinTheLimitIsKept() {
        var collector = BodyCollector(limit: 10)
        let answer1 = collector.begin(announced: 10)
        #expect(answer1 == .reading)
        #expect(take(&collector, 4) == .reading)
        #expect(take(&collector, 6) == .reading)
        #expect(!collector.isTooLarge)
        #expect(collector.bytes == [UInt8](repeating: 7, count: 10))
    }

    @Test func aBodyBeyondTheLimitIsPassedOverAndThenCut() {
        var collector = BodyCollector(limit: 10)
        let answer2 = collector.begin(announced: nil)
        #expect(answer2 == .reading)
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
        let answer3 = collector.begin(announced: 160)
        #expect(answer3 == .reading)
        #expect(collector.isTooLarge)
        collector = BodyCollector(limit: 10)
        let answer4 = collector.begin(announced: 161)
        #expect(answer4 == .tooLarge)
        collector = BodyCollector(limit: Int.max)
        let answer5 = collector.begin(announced: Int.max)
        #expect(answer5 == .reading)
        #expect(!collector.isTooLarge)
    }
}

@Suite struct ServingStateTests {
    @Test func aServerEndsWhenAllIsAnsweredAndTaken() {
        var state = ServingState()
        let answer6 = state.begin()
        #expect(answer6)
        let answer7 = state.begin()
        #expect(answer7)
        #expect(!state.mayEnd)
        let answer8 = state.stop()
        #expect(answer8)
        let answer9 = state.stop()
        #expect(!answer9)
        let answer10 = state.begin()
        #expect(!answer10)
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
        let answer11 = state.begin()
        #expect(answer11)
        let answer12 = state.stop()
        #expect(answer12)
        state.isOverdue = true
        #expect(!state.mayEnd)
        state.isOverdue = false
        state.answered()
        #expect(!state.mayEnd)
        state.isOverdue = true
        #expect(state.mayEnd)
    }
}
