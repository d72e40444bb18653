import Testing

@testable import FileSystem

@Suite struct HeapTrimTests {
    private static let mebibyte = 1 << 20

    @Test func onceAfterHalfOfThePeakIsFree() {
        var trim = HeapTrim()
        let held = [1, 40, 100, 90, 60, 51, 50, 50, 45, 30, 26, 25]
        let isTime = held.map { trim.note($0 * Self.mebibyte) }
        // Once at half of 100, and from there on anew.
        #expect(isTime == [false, false, false, false, false, false, true, false, false, false, false, true])
    }

    @Test func littleIsNotWorthIt() {
        var trim = HeapTrim()
        let isTime = [HeapTrim.least, 0, HeapTrim.least - 1, 0].map { trim.note($0) }
        #expect(isTime == [false, true, false, false])
    }
}

@Suite struct SlabReserveTests {
    private static let slab = 1 << 20

    @Test func keepsAFewAndGivesThemOutAgain() {
        let reserve = SlabReserve()
        let taken = (0..<10).map { _ in reserve.take(Self.slab) }
        for bytes in taken { reserve.giveBack(bytes) }
        #expect(reserve.kept == 8)
        let again = reserve.take(Self.slab)
        #expect(reserve.kept == 7)
        reserve.giveBack(again)
        reserve.noteOther(8 * Self.slab)
    }

    @Test func whatOthersTakeIsNotKeptBesides() {
        let reserve = SlabReserve()
        let taken = (0..<4).map { _ in reserve.take(Self.slab) }
        for bytes in taken { reserve.giveBack(bytes) }
        #expect(reserve.kept == 4)
        // A slab goes for each mebibyte of small ones.
        for _ in 0..<(2 * Self.slab / 4096 - 1) { reserve.noteOther(4096) }
        #expect(reserve.kept == 3)
        reserve.noteOther(4096)
        #expect(reserve.kept == 2)
        // A mapping of another size counts as well.
        let other = reserve.take(2 * Self.slab)
        #expect(reserve.kept == 1)
        reserve.giveBack(other)
        #expect(reserve.kept == 1)
        reserve.noteOther(Self.slab)
        #expect(reserve.kept == 0)
        reserve.noteOther(Self.slab)
        #expect(reserve.kept == 0)
    }
}
