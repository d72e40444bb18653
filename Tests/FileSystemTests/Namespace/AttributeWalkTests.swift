import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// The read-ahead of attributes along a listing.
@Suite struct AttributeWalkTests {
    /// A directory of so many files, and what a walk in it fetches.
    struct Walker {
        let names: [String]
        var walk = AttributeWalk()
        var fetched: [Int] = []

        init(count: Int) {
            names = (0..<count).map { number in
                let digits = String(number)
                return String(repeating: "0", count: 6 - digits.count) + digits
            }
        }

        /// Asks for an entry; returns what is fetched ahead.
        mutating func ask(_ index: Int) -> [Int] {
            let names = names
            let entries = walk.ask(for: names[index]) { key, limit in
                let start = names.firstIndex { key.utf8.lexicographicallyPrecedes($0.utf8) } ?? names.count
                return names[start...].prefix(limit).map {
                    .init(
                        name: FileName($0)!,
                        object: .init(size: 0, etag: nil, lastModified: Timestamp(seconds: 0)))
                }
            }
            let indices = entries.map { Int($0.name.string)! }
            fetched += indices
            return indices
        }
    }

    @Test func theFirstQuestionFetchesNothingAhead() {
        var walker = Walker(count: 100)
        #expect(walker.ask(0).isEmpty)
        #expect(walker.ask(0).isEmpty)
    }

    @Test func aSecondStepOpensTheWindow() {
        var walker = Walker(count: 1000)
        _ = walker.ask(0)
        #expect(walker.ask(1) == Array(2..<2 + AttributeWalk.firstWindow))
        // Nothing more while more than half of it is ahead.
        #expect(walker.ask(2).isEmpty)
    }

    /// Every entry is fetched ahead once, in order; only the first two are waited for.
    @Test(arguments: [3, 40, 300, 2000]) func aWalkFetchesEachEntryOnce(count: Int) {
        var walker = Walker(count: count)
        for index in 0..<count {
            if index > 1 { #expect(walker.fetched.contains(index), "entry \(index) was not fetched ahead") }
            let ahead = walker.ask(index)
            #expect(ahead.count <= AttributeWalk.largestWindow)
        }
        #expect(walker.fetched == Array(2..<count))
    }

    @Test func theWindowGrowsToItsLimit() {
        var walker = Walker(count: 5000)
        var largest = 0
        for index in 0..<4000 {
            largest = max(largest, walker.ask(index).count)
            #expect((walker.fetched.last ?? index) - index <= AttributeWalk.largestWindow)
        }
        #expect(largest > AttributeWalk.firstWindow)
    }

    /// A walker that skips what it knows still walks.
    @Test(arguments: [2, 5, 16]) func smallStepsWalkOn(step: Int) {
        var walker = Walker(count: 3000)
        var missed = 0
        for index in stride(from: 0, to: 3000, by: step) {
            if !walker.fetched.contains(index) { missed += 1 }
            _ = walker.ask(index)
        }
        #expect(missed <= 2)
        #expect(Set(walker.fetched).count == walker.fetched.count)
    }

    @Test func aJumpClosesTheWindow() {
        var walker = Walker(count: 3000)
        for index in 0..<50 { _ = walker.ask(index) }
        #expect(walker.ask(2000).isEmpty)
        #expect(walker.ask(10).isEmpty)
        // And it begins small again.
        #expect(walker.ask(11) == Array(12..<12 + AttributeWalk.firstWindow))
    }

    @Test func walkingBackwardsFetchesNothing() {
        var walker = Walker(count: 200)
        for index in (0..<200).reversed() { _ = walker.ask(index) }
        #expect(walker.fetched.isEmpty)
    }

    /// Random questions cost next to nothing beside themselves.
    @Test(arguments: 1...20) func randomQuestionsFetchLittle(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var walker = Walker(count: 20_000)
        for _ in 0..<100 { _ = walker.ask(Int.random(in: 0..<20_000, using: &random)) }
        #expect(walker.fetched.count <= 3 * AttributeWalk.firstWindow)
    }

    @Test func theEndOfTheDirectoryIsNoError() {
        var walker = Walker(count: 10)
        for index in 0..<10 { _ = walker.ask(index) }
        #expect(walker.fetched == Array(2..<10))
        #expect(walker.ask(9).isEmpty)
    }

    /// An entry of which no listing tells (any more).
    @Test func anUnknownEntryEndsTheWalk() {
        var walk = AttributeWalk()
        #expect(walk.ask(for: "a") { _, _ in [] }.isEmpty)
        #expect(walk.ask(for: "b") { _, _ in [] }.isEmpty)
    }
}
