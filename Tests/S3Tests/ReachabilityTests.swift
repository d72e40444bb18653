import Testing

@testable import S3

/// When the log says that the store is gone and back.
@Suite struct ReachabilityTests {
    private let start = ContinuousClock.now

    @Test func aFewFailuresSayNothing() {
        var state = Reachability()
        #expect(state.failed(at: start) == nil)
        #expect(state.failed(at: start + .seconds(1)) == nil)
        #expect(state.failed(at: start + .seconds(2)) == nil)
        #expect(state.answered(at: start + .seconds(3)) == nil)
        // Counted anew after each answer.
        #expect(state.failed(at: start + .seconds(20)) == nil)
        #expect(state.failed(at: start + .seconds(30)) == nil)
        #expect(!state.isLost)
    }

    @Test func goneAndBackAreSaidOnce() {
        var state = Reachability()
        var said: [Reachability.Change] = []
        for second in 0..<60 { if let change = state.failed(at: start + .seconds(second)) { said.append(change) } }
        #expect(said == [.lost])
        #expect(state.isLost)
        for second in 60..<70 { if let change = state.answered(at: start + .seconds(second)) { said.append(change) } }
        #expect(said == [.lost, .back(after: .seconds(60))])
        #expect(state == Reachability())
    }
}
