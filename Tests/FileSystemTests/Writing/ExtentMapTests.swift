import Testing

@testable import FileSystem

/// The map against an array that has, for each byte of the file, where it comes from.
@Suite struct ExtentMapTests {
    /// Where one byte comes from.
    enum Origin: Equatable {
        case staged(ObjectIdentifier, Int)
        case zero
        case object(Int64)
        case uploaded
    }

    static func origins(_ extents: [Extent]) -> [Origin] {
        extents.flatMap { extent in
            (0..<extent.count).map { index in
                switch extent.source.advanced(by: index) {
                case .staged(let block, let offset): Origin.staged(ObjectIdentifier(block), offset)
                case .zeros: .zero
                case .object(let offset): .object(offset)
                case .uploaded: .uploaded
                }
            }
        }
    }

    static func check(_ map: ExtentMap, _ model: [Origin], _ comment: String) {
        let extents = map.extents
        #expect(map.size == Int64(model.count), "\(comment)")
        #expect(map.count == extents.count, "\(comment)")
        #expect(origins(extents) == model, "\(comment)")
        var position: Int64 = 0
        for extent in extents {
            #expect(extent.count > 0 && extent.start == position, "\(comment)")
            position = extent.end
        }
        for (a, b) in zip(extents, extents.dropFirst()) {
            #expect(!a.isContinued(by: b), "neighbours not joined: \(comment)")
        }
    }

    @Test func aSequentialWriterMakesOneExtentABlock() {
        let budget = MemoryBudget(limit: 1 << 30)
        var map = ExtentMap()
        for index in 0..<8 {
            let block = StagingBlock.inMemory(capacity: 1 << 20, budget: budget)!
            for page in 0..<256 {
                let start = Int64(index << 20 + page << 12)
                map.write(start..<start + 4096, .staged(block, offset: page << 12))
            }
        }
        #expect(map.count == 8)
        #expect(map.size == 8 << 20)
    }

    @Test func pagesWrittenInReverseAreJoined() {
        let block = StagingBlock.inMemory(capacity: 1 << 16, budget: MemoryBudget(limit: 1 << 20))!
        var map = ExtentMap(objectSize: 1 << 16)
        for page in (0..<16).reversed() {
            map.write(Int64(page << 12)..<Int64((page + 1) << 12), .staged(block, offset: page << 12))
        }
        #expect(map.count == 1)
        #expect(map.dirtyRanges == [0..<1 << 16])
    }

    @Test func aBaseIsOneExtentAndUnchanged() {
        var map = ExtentMap(objectSize: 1000)
        #expect(map.isUnchanged(fromBaseOf: 1000))
        #expect(map.dirtyRanges.isEmpty)
        map.truncate(to: 2000)
        #expect(!map.isUnchanged(fromBaseOf: 1000))
        #expect(map.dirtyRanges == [1000..<2000])
        map.truncate(to: 1000)
        #expect(map.isUnchanged(fromBaseOf: 1000))
        map.truncate(to: 10)
        map.truncate(to: 1000)
        #expect(!map.isUnchanged(fromBaseOf: 1000))
        #expect(map.dirtyRanges == [10..<1000])
        #expect(ExtentMap(objectSize: 0).isUnchanged(fromBaseOf: 0))
    }

    @Test(arguments: 0..<40) func randomOperationsMatchTheModel(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let budget = MemoryBudget(limit: 1 << 24)
        let blocks = (0..<4).map { _ in StagingBlock.inMemory(capacity: 4096, budget: budget)! }
        let baseSize = Int64.random(in: 0...2000, using: &random)
        var map = ExtentMap(objectSize: baseSize)
        var model: [Origin] = (0..<baseSize).map { .object($0) }
        // Half of the runs make many small extents, so that chunks are split and joined.
        let largest = Int64(seed % 2 == 0 ? 400 : 4)
        for step in 0..<1500 {
            let comment = "seed \(seed) step \(step)"
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                let size = Int64.random(in: 0...3000, using: &random)
                map.truncate(to: size)
                if size < model.count { model.removeSubrange(Int(size)...) }
                while model.count < size { model.append(.zero) }
            case 1:
                // What was uploaded, then everything unchanged settles over a snapshot.
                let snapshot = map
                let before = model
                let at = Int64.random(in: 0..<3000, using: &random)
                map.write(at..<at + 5, .staged(blocks[0], offset: 4000))
                while model.count < at + 5 { model.append(.zero) }
                for index in 0..<5 { model[Int(at) + index] = .staged(ObjectIdentifier(blocks[0]), 4000 + index) }
                map = map.settled(over: snapshot)
                for index in model.indices where index < before.count && before[index] == model[index] {
                    model[index] = .object(Int64(index))
                }
            case 2 where map.size > 0:
                let lower = Int64.random(in: 0..<map.size, using: &random)
                let range = lower..<min(map.size, lower + 100)
                let pieces = map.slice(range)
                let at = Int64.random(in: range, using: &random)
                map.zero(at..<at + 1)
                let old = model[Int(at)]
                model[Int(at)] = .zero
                map.replace(unchanged: pieces, with: .staged(blocks[1], offset: 0))
                for index in range where index != at || old == .zero {
                    model[Int(index)] = .staged(ObjectIdentifier(blocks[1]), Int(index - lower))
                }
            default:
                let lower = Int64.random(in: 0..<2500, using: &random)
                let range = lower..<lower + Int64.random(in: 0...largest, using: &random)
                let source: ExtentSource
                switch Int.random(in: 0..<6, using: &random) {
                case 0: source = .zeros
                case 1: source = .object(Int64.random(in: 0...100, using: &random))
                case 2: source = .uploaded
                default:
                    source = .staged(
                        blocks.randomElement(using: &random)!, offset: Int.random(in: 0..<3, using: &random) * 400)
                }
                map.write(range, source)
                if !range.isEmpty {
                    while model.count < range.upperBound { model.append(.zero) }
                    let new = Self.origins([Extent(start: lower, count: Int64(range.count), source: source)])
                    model.replaceSubrange(Int(lower)..<Int(range.upperBound), with: new)
                }
            }
            if step % 25 == 0 { Self.check(map, model, comment) }
            let lower = Int64.random(in: 0...3000, using: &random)
            let range = lower..<lower + Int64.random(in: 0...500, using: &random)
            let clamped = Int(min(range.lowerBound, map.size))..<Int(min(range.upperBound, map.size))
            #expect(Self.origins(map.slice(range)) == Array(model[clamped]), "\(comment)")
            #expect(map.hasUploadedBytes(in: range) == model[clamped].contains(.uploaded), "\(comment)")
        }
        Self.check(map, model, "seed \(seed)")
        let dirty = map.dirtyRanges.flatMap { Array($0) }
        #expect(dirty == model.indices.filter { model[$0] != .object(Int64($0)) }.map { Int64($0) }, "seed \(seed)")
    }
}
