import Testing

@testable import ObjectStore

@Suite struct HedgePolicyTests {
    private let millisecond: Int64 = 1_000_000

    @Test func nothingIsHedgedBeforeTheUsualTimeIsKnown() {
        var policy = HedgePolicy()
        policy.leastWait = 20 * millisecond
        for _ in 0..<63 { policy.noteFirstByte(after: 30 * millisecond) }
        #expect(policy.patience == nil)
        policy.noteFirstByte(after: 30 * millisecond)
        #expect(policy.patience == 37_500_000)
    }

    @Test func patienceFollowsTheSlowestInAHundred() {
        var policy = HedgePolicy()
        policy.leastWait = 20 * millisecond
        for number in 0..<512 { policy.noteFirstByte(after: (number % 100 == 99 ? 400 : 40) * millisecond) }
        // Five of 512 are slow: fewer than one in a hundred.
        #expect(policy.patience == 50 * millisecond)
        for number in 0..<512 { policy.noteFirstByte(after: (number % 20 == 0 ? 400 : 40) * millisecond) }
        #expect(policy.patience == 500 * millisecond)
        // What is over half a thousand GETs ago no longer counts.
        for _ in 0..<512 { policy.noteFirstByte(after: 40 * millisecond) }
        #expect(policy.patience == 50 * millisecond)
    }

    @Test func aFastStoreIsNotAskedTwiceForMilliseconds() {
        var policy = HedgePolicy()
        for _ in 0..<100 { policy.noteFirstByte(after: millisecond / 2) }
        #expect(policy.patience == policy.leastWait)
    }

    @Test func oneInTwentyAndTenAtOnce() {
        var policy = HedgePolicy()
        var isAllowed = policy.takeHedge()
        #expect(!isAllowed)
        for _ in 0..<19 { policy.requestBegan() }
        isAllowed = policy.takeHedge()
        #expect(!isAllowed)
        policy.requestBegan()
        isAllowed = policy.takeHedge()
        #expect(isAllowed)
        isAllowed = policy.takeHedge()
        #expect(!isAllowed)
        for _ in 0..<100_000 { policy.requestBegan() }
        var taken = 0
        while policy.takeHedge() { taken += 1 }
        #expect(taken == 10)
    }
}
