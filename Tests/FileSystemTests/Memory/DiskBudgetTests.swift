import Synchronization
import Testing

@testable import FileSystem

/// What may be taken of the disk, and what makes way for what.
@Suite struct DiskBudgetTests {
    @Test func keptCopiesTakeHalfOfTheCap() {
        let budget = DiskBudget(limit: 100)
        #expect(budget.tryReserve(50, for: .kept))
        #expect(!budget.tryReserve(1, for: .kept))
        #expect(budget.tryReserve(50, for: .needed))
        #expect(!budget.tryReserve(1, for: .needed))
        budget.release(60)
        #expect(budget.tryReserve(10, for: .kept))
        #expect(budget.used == 50)
        #expect(budget.peak == 100)
    }

    @Test func withoutACapNothingIsRefused() {
        let budget = DiskBudget()
        #expect(budget.tryReserve(1 << 60, for: .kept))
        #expect(budget.tryReserve(1 << 60, for: .needed))
    }

    @Test func theOldestHolderThatHasSomethingGivesItBack() async {
        let budget = DiskBudget(limit: 100)
        let asked = Mutex<[Int]>([])
        for holder in 0..<3 {
            _ = budget.addReclaimer {
                let isFirst = asked.withLock { asked in
                    defer { asked.append(holder) }
                    return !asked.contains(holder)
                }
                if holder > 0, isFirst { budget.release(10) }
            }
        }
        #expect(budget.tryReserve(20, for: .kept))
        #expect(await budget.reclaim())
        #expect(asked.withLock { $0 } == [0, 1])
        #expect(await budget.reclaim())
        #expect(asked.withLock { $0 } == [0, 1, 0, 1, 2])
        #expect(!(await budget.reclaim()))
        #expect(budget.used == 0)
    }
}
