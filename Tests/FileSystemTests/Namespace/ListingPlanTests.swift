import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// The plan of several streams beside one chain over the same keys.
@Suite(.timeLimit(.minutes(2))) struct ListingPlanTests {
    /// A directory as a store lists it: entries in order, `page` at a time.
    private struct Listing {
        var keys: [String]
        var page = 1000
        var ignoresStart = false

        func answer(_ request: ListingPlan.Request) -> (keys: [String], next: ListContinuation?) {
            var start = 0
            if let token = request.continuation {
                start = position(behind: token.token)
            } else if let after = request.startAfter, !ignoresStart {
                start = position(behind: after)
            }
            let end = min(keys.count, start + page)
            return (Array(keys[start..<end]), end < keys.count ? ListContinuation(token: keys[end - 1]) : nil)
        }

        /// Where a store goes on behind a key, in its own order.
        var order: @Sendable (String) -> [UInt8] = { Array($0.utf8) }

        private func position(behind key: String) -> Int {
            var low = 0
            var high = keys.count
            let key = order(key)
            while low < high {
                let middle = (low + high) / 2
                if key.lexicographicallyPrecedes(order(keys[middle])) { high = middle } else { low = middle + 1 }
            }
            return low
        }
    }

    private struct Outcome {
        var names: [String] = []
        var rounds = 0
        var requests = 0
        var oddity: ListingPlan.Oddity?
    }

    private static func page(_ keys: [String], _ lower: String?, isLast: Bool) -> ListedPage {
        let rows = keys.map { key -> (String, KnownEntries.Entry?) in
            if key.hasSuffix("/") { return (key, .init(name: FileName(checked: String(key.dropLast())), object: nil)) }
            let object = KnownEntries.Version(size: 1, etag: nil, lastModified: Timestamp(seconds: 0))
            return (key, .init(name: FileName(checked: key), object: object))
        }
        return ListedPage(rows: rows, after: lower, seen: Moment(nanoseconds: 1), isLast: isLast)
    }

    /// Lists all: every round, some of the requests under way are answered, in any order.
    private func run(
        _ listing: Listing, streams: Int, window: Int = 64, random: inout SplitMix64, inOrder: Bool = false,
        change: (_ round: Int, inout [String]) -> Void = { _, _ in }, failing: Double = 0
    ) -> Outcome {
        var listing = listing
        var plan = ListingPlan(streams: streams)
        var underWay: [(request: ListingPlan.Request, keys: [String], next: ListContinuation?)] = []
        var outcome = Outcome()
        var bound: String?
        while !plan.isComplete {
            outcome.rounds += 1
            change(outcome.rounds, &listing.keys)
            for request in plan.requests(unread: 0, window: window) {
                let answer = listing.answer(request)
                outcome.requests += 1
                underWay.append((request, answer.keys, answer.next))
            }
            #expect(!underWay.isEmpty, "nothing is under way")
            if underWay.isEmpty { return outcome }
            #expect(plan.awaited != nil)
            if !inOrder { underWay.shuffle(using: &random) }
            let answered = inOrder ? underWay.count : Int.random(in: 1...underWay.count, using: &random)
            for answer in underWay.prefix(answered) {
                if Double.random(in: 0..<1, using: &random) < failing {
                    _ = plan.failed(answer.request.id)
                    continue
                }
                let page = Self.page(answer.keys, answer.request.lower, isLast: answer.next == nil)
                _ = plan.arrived(answer.request.id, page, next: answer.next, begun: 0)
                for page in plan.takePages() {
                    #expect(page.span.lower == bound, "pages have a gap between them")
                    bound = page.span.upper
                    outcome.names += page.span.entries.map { KnownEntries.key(of: $0) }
                }
            }
            underWay.removeFirst(answered)
            if outcome.rounds > 100_000 { break }
        }
        outcome.oddity = plan.oddity
        return outcome
    }

    /// Names as programs make them, and as nobody does.
    private static func keys(_ kind: Int, _ count: Int, _ random: inout SplitMix64) -> [String] {
        var keys: Set<String> = []
        while keys.count < count {
            let number = keys.count
            var key =
                switch kind {
                case 0: "entry-" + String(1_000_000 + number).dropFirst()
                case 1: "IMG_\(number).jpg"
                case 2: String(UInt64.random(in: .min ... .max, using: &random), radix: 16)
                case 3:
                    String(
                        (0..<Int.random(in: 1...6, using: &random)).map { _ in
                            "abxyz-.~ü🙂 ".randomElement(using: &random)!
                        })
                case 4: ["alpha", "beta", "Z", "_"][number % 4] + "-\(number / 4)"
                default:
                    (number < count / 2 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "ä")
                        + "\(number)"
                }
            if Int.random(in: 0..<4, using: &random) == 0 { key += "/" }
            keys.insert(key)
        }
        return keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    @Test(arguments: 0..<6, [1, 2, 8]) func allIsListedOnceAndInOrder(kind: Int, streams: Int) {
        for seed in 0..<UInt64(6) {
            var random = SplitMix64(seed: seed)
            let count = [0, 1, 12, 100, 400, 1500][Int(seed)]
            let listing = Listing(
                keys: Self.keys(kind, count, &random), page: [3, 10, 100, 1000].randomElement(using: &random)!)
            let outcome = run(
                listing, streams: streams, window: [2, 8, 64].randomElement(using: &random)!, random: &random)
            #expect(outcome.names == listing.keys, "seed \(seed)")
            // Directories that other names begin like may hide at a cut: then one chain goes on.
            #expect(outcome.oddity == nil || (kind == 3 && outcome.oddity == .disagrees), "seed \(seed)")
        }
    }

    /// Others add and remove names meanwhile: what is there all the time is given once, and all in order.
    @Test(arguments: 0..<20 as Range<UInt64>) func namesThatStayAreGivenOnce(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let kind = Int(seed % 6)
        let all = Self.keys(kind, 1000, &random)
        let moving = Set(all.filter { _ in Int.random(in: 0..<5, using: &random) == 0 })
        var there = moving.filter { _ in Bool.random(using: &random) }
        var other = SplitMix64(seed: seed + 1000)
        let outcome = run(
            Listing(keys: all.filter { !moving.contains($0) || there.contains($0) }, page: 20), streams: 8,
            random: &random,
            change: { round, keys in
                guard round % 3 == 0 else { return }
                there = moving.filter { _ in Bool.random(using: &other) }
                keys = all.filter { !moving.contains($0) || there.contains($0) }
            })
        #expect(outcome.names.filter { !moving.contains($0) } == all.filter { !moving.contains($0) }, "seed \(seed)")
        #expect(Set(outcome.names).count == outcome.names.count, "seed \(seed)")
        #expect(Set(outcome.names).isSubset(of: Set(all)), "seed \(seed)")
    }

    @Test func failuresGoBackToOneChain() {
        for seed in 0..<UInt64(20) {
            var random = SplitMix64(seed: seed)
            let listing = Listing(keys: Self.keys(Int(seed % 6), 1000, &random), page: 30)
            let outcome = run(listing, streams: 8, random: &random, failing: 0.2)
            #expect(outcome.names == listing.keys, "seed \(seed)")
        }
    }

    @Test(arguments: 0..<6) func aStoreThatIgnoresTheStartIsListedWhole(kind: Int) {
        var random = SplitMix64(seed: UInt64(kind))
        let listing = Listing(keys: Self.keys(kind, 2000, &random), page: 50, ignoresStart: true)
        let outcome = run(listing, streams: 8, random: &random)
        #expect(outcome.names == listing.keys)
        #expect(outcome.oddity == .ignoresStart)
    }

    /// SeaweedFS keeps directories where their names stand without the slash: `n/` before `n-1`.
    @Test func anotherOrderOfDirectoriesLosesNothing() {
        for seed in 0..<UInt64(20) {
            var random = SplitMix64(seed: seed)
            var keys = Self.keys(4, 1000, &random) + ["alpha/", "beta/", "Z/"]
            let plain = { @Sendable (key: String) in Array((key.hasSuffix("/") ? String(key.dropLast()) : key).utf8) }
            keys.sort { plain($0).lexicographicallyPrecedes(plain($1)) }
            let listing = Listing(keys: keys, page: 30, order: plain)
            var order = random
            let names = Set(run(listing, streams: 8, random: &order).names)
            #expect(names == Set(keys), "seed \(seed)")
        }
    }

    @Test(arguments: [0, 1, 2]) func roundsAreFew(kind: Int) {
        var random = SplitMix64(seed: 1)
        let listing = Listing(keys: Self.keys(kind, 20_000, &random), page: 200)
        let one = run(listing, streams: 1, random: &random, inOrder: true)
        #expect(one.rounds == 100)
        let many = run(listing, streams: 8, random: &random, inOrder: true)
        #expect(many.names == listing.keys)
        #expect(many.rounds <= 25, "\(many.rounds) rounds")
        #expect(many.requests <= 150, "\(many.requests) requests")
    }

    @Test(arguments: [0, 1, 999, 1000, 1001, 1999, 2000]) func smallDirectoriesCostNothingMore(count: Int) {
        var random = SplitMix64(seed: 1)
        let listing = Listing(keys: Self.keys(0, count, &random))
        let outcome = run(listing, streams: 8, random: &random, inOrder: true)
        #expect(outcome.requests == max(1, (count + 999) / 1000))
        #expect(outcome.names == listing.keys)
    }
}
