import ObjectStore
import ObjectStoreTesting
import Testing

@testable import FileSystem

/// Places in an open directory hold, whatever is let go and listed again.
@Suite struct DirectoryPagesTests {
    typealias Entry = KnownEntries.Entry

    static func file(_ name: String) -> Entry {
        Entry(name: FileName(name)!, object: .init(size: 1, lastModified: Timestamp(seconds: 1)))
    }

    /// Pages of three entries each, named by their numbers.
    static func pages(_ count: Int) -> DirectoryPages {
        var pages = DirectoryPages()
        var lower: String?
        for page in 0..<count {
            let names = (0..<3).map { name(page * 3 + $0) }
            pages.append(PackedEntries(names.map(file)), after: lower, to: page == count - 1 ? nil : names.last)
            lower = names.last
        }
        return pages
    }

    static func name(_ number: Int) -> String { "n\(1000 + number)" }

    static func names(_ pages: DirectoryPages, from number: Int = 0) -> [String] {
        var names: [String] = []
        var number = number
        while case .entry(let entry, let found) = pages.next(from: number) {
            names.append(entry.name.string)
            number = found + 1
        }
        return names
    }

    @Test func entriesKeepTheirNumbers() {
        let pages = Self.pages(4)
        #expect(pages.count == 12)
        #expect(pages.next(from: 7) == .entry(Self.file(Self.name(7)), number: 7))
        #expect(pages.next(from: 12) == .end)
        #expect(DirectoryPages().next(from: 0) == .end)
    }

    @Test func pagesBehindTheReaderAreLetGo() {
        var pages = Self.pages(6)
        let before = pages.byteCount
        pages.release(before: 13, keeping: 2)
        #expect(pages.pages.map(\.isHeld) == [false, false, true, true, true, true])
        #expect(pages.byteCount < before)
        #expect(pages.byteCount == pages.pages.reduce(0) { $0 + $1.byteCount })
        #expect(pages.next(from: 4) == .released(page: 1))
        #expect(pages.hasReleasedBeginning)
        #expect(Self.names(pages, from: 6) == (6..<18).map(Self.name))
        // Names are still known, held or not.
        for number in 0..<18 { #expect(pages.contains(file: FileName(Self.name(number))!)) }
        #expect(!pages.contains(file: FileName("n1000a")!))
    }

    /// Who goes back meets each entry that stayed at its number, and no other.
    @Test func aRestoredPageGivesEachEntryItsNumberBack() {
        var pages = Self.pages(6)
        pages.release(before: 17, keeping: 1)
        pages.restore(1, with: ["n1002a", Self.name(3), "n1003a", Self.name(5)].map(Self.file))
        #expect(pages.next(from: 3) == .entry(Self.file(Self.name(3)), number: 3))
        #expect(pages.next(from: 4) == .entry(Self.file(Self.name(5)), number: 5))
        #expect(pages.next(from: 6) == .released(page: 2))
        #expect(pages.byteCount == pages.pages.reduce(0) { $0 + $1.byteCount })
        // Let go and restored once more, it still knows what was removed only for a while.
        pages.release(before: 17, keeping: 1)
        #expect(pages.next(from: 3) == .released(page: 1))
        pages.restore(1, with: (3..<6).map { Self.file(Self.name($0)) })
        #expect(pages.next(from: 4) == .entry(Self.file(Self.name(4)), number: 4))
    }

    @Test func aPageOfWhichNothingStayedIsPassedOver() {
        var pages = Self.pages(3)
        pages.release(before: 8, keeping: 1)
        pages.restore(0, with: [])
        #expect(pages.next(from: 0) == .entry(Self.file(Self.name(3)), number: 3))
    }

    /// Every walk back and forth, with pages let go and restored at will, gives each entry that stays at its own number.
    @Test(arguments: 1...40) func anyWalkSeesWhatStays(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pages = Self.pages(12)
        var there = Set(0..<36)
        for _ in 0..<200 {
            let start = Int.random(in: 0..<36, using: &random)
            if Int.random(in: 0..<4, using: &random) == 0 { there.remove(Int.random(in: 0..<36, using: &random)) }
            switch pages.next(from: start) {
            case .entry(let entry, let number):
                #expect(entry.name.string == Self.name(number))
                // Nothing that stays lies between.
                #expect(
                    !pages.pages.contains { page in
                        guard case .restored(_, let places, _) = page.content else { return false }
                        return (start..<number).contains { there.contains($0) && places.contains($0 - page.first) }
                    })
            case .released(let page):
                let range = pages.pages[page].first..<pages.pages[page].first + 3
                pages.restore(page, with: range.filter(there.contains).map { Self.file(Self.name($0)) })
            case .end: #expect(start > (there.max() ?? 0))
            }
            pages.release(before: Int.random(in: 0..<36, using: &random), keeping: 2)
            #expect(pages.byteCount == pages.pages.reduce(0) { $0 + $1.byteCount })
        }
    }
}
