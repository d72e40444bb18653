import Testing

@testable import FileSystem

/// What of the metadata is too much, and that their charge is the budget's.
@Suite struct MetadataShareTests {
    static let share = MetadataShare(limit: 800)

    @Test func nothingIsTooMuchUpToTheLimit() {
        #expect(Self.share.excess(of: .init(names: 800)) == nil)
        #expect(Self.share.excess(of: .init(names: 100, ahead: 300, inodes: 400, inodeCount: 1_000_000)) == nil)
    }

    /// Each side has half, and what the other leaves free.
    @Test func whoHasMoreThanItsHalfGivesBack() {
        #expect(Self.share.excess(of: .init(names: 900)) == .init(names: 200))
        #expect(Self.share.excess(of: .init(names: 700, inodes: 200)) == .init(names: 175))
        #expect(Self.share.excess(of: .init(names: 200, inodes: 700)) == .init(inodes: 175))
        #expect(
            Self.share.excess(of: .init(names: 600, ahead: 100, inodes: 500))
                == .init(names: 250, ahead: true, inodes: 250))
    }

    @Test func inodesAreCounted() {
        let share = MetadataShare(limit: 800, maximumInodes: 16)
        #expect(share.excess(of: .init(inodeCount: 16)) == nil)
        #expect(share.excess(of: .init(inodeCount: 17)) == .init(inodeCount: 3))
    }

    @Test func theBudgetIsChargedInSteps() {
        let budget = MemoryBudget(limit: 8 * MetadataUse.step)
        do {
            let use = MetadataUse(budget: budget)
            use.addNames(1)
            #expect(budget.used == 0)
            use.settle()
            #expect(budget.used == MetadataUse.step)
            use.addInodes(3, bytes: 2 * MetadataUse.step)
            use.addNames(-1)
            use.settle()
            #expect(budget.used == 2 * MetadataUse.step)
            #expect(use.now == .init(inodes: 2 * MetadataUse.step, inodeCount: 3))
            #expect(budget.tryReserve(1))
            #expect(!budget.tryReserve(6 * MetadataUse.step))
            #expect(budget.tryReserve(5 * MetadataUse.step))
            budget.release(5 * MetadataUse.step + 1)
        }
        #expect(budget.used == 0)
    }

    /// What is charged goes beyond the limit rather than fail, and clean data make way for it.
    @Test func aChargeIsNeverRefused() {
        let budget = MemoryBudget(limit: 100)
        #expect(budget.tryReserve(80))
        let id = budget.addReclaimer { wanted in
            #expect(wanted == 30)
            budget.release(50)
        }
        budget.charge(50)
        #expect(budget.used == 130)
        budget.makeRoom()
        #expect(budget.used == 80)
        budget.removeReclaimer(id)
        budget.charge(-50)
        budget.release(30)
    }

    /// One reservation goes through beside charges, however large: nothing is impossible.
    @Test func aLargeReservationIsLetThroughBesideCharges() async throws {
        let budget = MemoryBudget(limit: 100)
        budget.charge(60)
        #expect(budget.tryReserve(90))
        #expect(!budget.tryReserve(1))
        async let waiting: Void = budget.reserve(50)
        budget.release(90)
        try await waiting
        budget.release(50)
        budget.charge(-60)
        #expect(budget.used == 0)
    }

    @Test func givingBackIsNotTriedAgainBeforeSomethingGrew() {
        let use = MetadataUse(budget: MemoryBudget(limit: 1 << 30))
        let share = MetadataShare(limit: 16 * MetadataUse.step, maximumInodes: 32)
        #expect(use.mayTry(use.now, of: share))
        use.addInodes(40, bytes: 40)
        use.hasTried()
        #expect(!use.mayTry(use.now, of: share))
        use.addInodes(2, bytes: 2)
        #expect(use.mayTry(use.now, of: share))
        use.addInodes(-20, bytes: -20)
        #expect(!use.mayTry(use.now, of: share))
        use.addInodes(2, bytes: 2)
        #expect(use.mayTry(use.now, of: share))
    }
}
