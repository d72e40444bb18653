import ObjectStore
import Testing

@testable import S3

/// How long a request may go on, with a store and without one.
@Suite struct RequestTimeTests {
    private let start = ContinuousClock.now

    @Test func withoutAStoreOnlyThePatienceCounts() {
        var time = RequestTime(patience: .seconds(60), total: .seconds(600), now: start)
        #expect(time.left(at: start) == .seconds(600))
        for second in stride(from: 0, to: 60, by: 10) {
            let began = start + .seconds(second)
            time.attemptEnded(began: began, now: began + .seconds(9), wasTaken: false)
            #expect(time.leftToRetry(at: began) == .seconds(60 - second))
        }
    }

    @Test func theStoresWorkDoesNotCount() {
        var time = RequestTime(patience: .seconds(60), total: .seconds(600), now: start)
        // It worked for 200 s, and its connection broke then: a minute is left to find it again.
        time.attemptEnded(began: start, now: start + .seconds(200), wasTaken: true)
        #expect(time.leftToRetry(at: start + .seconds(200)) == .seconds(60))
        // But never beyond the whole.
        time.attemptEnded(began: start + .seconds(200), now: start + .seconds(580), wasTaken: true)
        #expect(time.leftToRetry(at: start + .seconds(580)) == .seconds(20))
    }

    @Test func theSilenceAtAnAttemptsEndCounts() {
        var time = RequestTime(patience: .seconds(60), total: .seconds(600), now: start)
        time.attemptEnded(began: start, now: start + .seconds(100), wasTaken: true, idle: .seconds(30))
        #expect(time.leftToRetry(at: start + .seconds(100)) == .seconds(30))
        // An attempt that was silent from its beginning.
        time.attemptEnded(began: start + .seconds(100), now: start + .seconds(120), wasTaken: true, idle: .seconds(30))
        #expect(time.leftToRetry(at: start + .seconds(120)) == .seconds(10))
    }

    @Test func aRequestOfOneAnswerHasOneLimit() {
        let time = RequestTime(patience: .seconds(60), total: .seconds(60), now: start)
        #expect(time.left(at: start + .seconds(50)) == .seconds(10))
        #expect(time.leftToRetry(at: start + .seconds(50)) == .seconds(10))
    }
}
