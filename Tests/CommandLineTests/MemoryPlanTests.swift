import Testing

@testable import pail

@Suite struct MemoryPlanTests {
    private static let mebibyte = 1 << 20

    @Test func whatNobodyCountsFollowsTheLimit() {
        let small = MemoryPlan(limit: 64 * Self.mebibyte)
        #expect(small.transferBuffers == 8 * Self.mebibyte)
        #expect(small.largestRequest == 256 << 10)
        #expect(small.mappingThreshold == 128 << 10)
        let usual = MemoryPlan(limit: 256 * Self.mebibyte)
        #expect(usual.transferBuffers == 32 * Self.mebibyte)
        #expect(usual.largestRequest == Self.mebibyte)
        #expect(usual.mappingThreshold == nil)
    }

    @Test func theExtremes() {
        let least = MemoryPlan(limit: Int(MemoryDefault.least))
        #expect(least.largestRequest == 128 << 10)
        #expect(least.transferBuffers == 4 * Self.mebibyte)
        let most = MemoryPlan(limit: 1 << 40)
        #expect(most.largestRequest == Self.mebibyte)
        #expect(most.transferBuffers == 128 * Self.mebibyte)
        // Whole pages.
        #expect(MemoryPlan(limit: 100_000_001).largestRequest % 4096 == 0)
    }
}
