import Testing

@testable import FileSystem

@Suite(.timeLimit(.minutes(15))) struct MemoryBudgetTests {
    @Test func theLimitHolds() {
        let budget = MemoryBudget(limit: 100)
        #expect(budget.tryReserve(60) && budget.tryReserve(40))
        #expect(!budget.tryReserve(1))
        budget.release(40)
        #expect(budget.used == 60 && budget.peak == 100)
        #expect(budget.tryReserve(40))
    }

    /// What is larger than the whole is let through when nothing else is held: slow, not impossible.
    @Test func aReservationOverTheLimitComesAlone() async throws {
        let budget = MemoryBudget(limit: 100)
        #expect(budget.tryReserve(1))
        #expect(!budget.tryReserve(500))
        let waiter = Task { try await budget.reserve(500) }
        try await waitUntil { budget.shortage > 0 }
        budget.release(1)
        try await waiter.value
        #expect(budget.used == 500)
        #expect(!budget.tryReserve(1))
        budget.release(500)
    }

    @Test func inOrderOfArrival() async throws {
        let budget = MemoryBudget(limit: 100)
        let order = Shared<[Int]>([])
        #expect(budget.tryReserve(100))
        var tasks: [Task<Void, any Error>] = []
        var waiting = 0
        for (index, bytes) in [80, 5, 50, 5].enumerated() {
            tasks.append(
                Task {
                    try await budget.reserve(bytes)
                    order.update { $0.append(index) }
                    budget.release(bytes)
                })
            waiting += bytes
            let sum = waiting
            try await waitUntil { budget.shortage == sum }
        }
        // Room for the small ones, but the first in line is the large one: nobody overtakes it, by `tryReserve` neither.
        budget.release(30)
        #expect(!budget.tryReserve(1))
        #expect(order.value.isEmpty)
        budget.release(70)
        for task in tasks { try await task.value }
        #expect(order.value.first == 0)
        #expect(order.value.sorted() == [0, 1, 2, 3])
        #expect(budget.used == 0 && budget.shortage == 0)
    }

    @Test func aCancelledWaiterReservesNothingAndLetsOthersPass() async throws {
        let budget = MemoryBudget(limit: 100)
        #expect(budget.tryReserve(50))
        let large = Task { try await budget.reserve(80) }
        try await waitUntil { budget.shortage == 30 }
        let small = Task { try await budget.reserve(10) }
        try await waitUntil { budget.shortage == 40 }
        large.cancel()
        await #expect(throws: CancellationError.self) { try await large.value }
        try await small.value
        #expect(budget.used == 60)
    }

    @Test func reclaimersAreAskedInTurnUntilItFits() {
        let budget = MemoryBudget(limit: 100)
        let asked = Shared<[String]>([])
        #expect(budget.tryReserve(100))
        let first = budget.addReclaimer { wanted in
            asked.update { $0.append("first \(wanted)") }
            if budget.used == 100 { budget.release(30) }
        }
        budget.addReclaimer { _ in asked.update { $0.append("second") } }
        #expect(budget.tryReserve(20))
        #expect(asked.value == ["first 20"])
        budget.removeReclaimer(first)
        #expect(!budget.tryReserve(20))
        #expect(asked.value == ["first 20", "second"])
    }

    /// What becomes clean only while somebody waits is told by `shortage`.
    @Test func theShortageSaysWhatIsMissing() async throws {
        let budget = MemoryBudget(limit: 100)
        #expect(budget.shortage == 0)
        #expect(budget.tryReserve(90))
        #expect(budget.shortage == 0)
        let waiter = Task { try await budget.reserve(30) }
        try await waitUntil { budget.shortage == 20 }
        budget.release(20)
        try await waiter.value
        #expect(budget.shortage == 0 && budget.used == 100)
    }

    /// Many tasks, a third of them cancelled: nothing is lost, nothing over the limit, nobody left asleep.
    @Test func manyTasks() async throws {
        let budget = MemoryBudget(limit: 1000)
        let held = Shared((now: 0, most: 0))
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<600 {
                group.addTask {
                    let bytes = 1 + index * 37 % 400
                    let task = Task {
                        try await budget.reserve(bytes)
                        held.update {
                            $0.now += bytes
                            $0.most = max($0.most, $0.now)
                        }
                        await Task.yield()
                        held.update { $0.now -= bytes }
                        budget.release(bytes)
                    }
                    if index % 3 == 0 {
                        await Task.yield()
                        task.cancel()
                    }
                    _ = await task.result
                }
            }
        }
        #expect(budget.used == 0 && budget.shortage == 0)
        #expect(held.value.most <= 1000 && budget.peak <= 1000)
    }
}

@Suite struct SlabTests {
    @Test(arguments: [1, 4096, (256 << 10) - 1, 256 << 10, 1 << 20, (1 << 20) + 1]) func holdsItsBytes(capacity: Int) {
        for _ in 0..<20 {
            let slabs = (0..<10).map { _ in Slab(capacity: capacity) }
            for (index, slab) in slabs.enumerated() {
                #expect(slab.capacity == capacity)
                slab.bytes.first.map { _ in slab.bytes[0] = UInt8(index) }
                slab.bytes[capacity - 1] = UInt8(index)
            }
            // Each has memory of its own.
            for (index, slab) in slabs.enumerated() { #expect(slab.bytes[capacity - 1] == UInt8(index)) }
        }
    }
}
