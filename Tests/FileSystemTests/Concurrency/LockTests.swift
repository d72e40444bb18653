import Synchronization
import Testing

@testable import FileSystem

/// Waits until `condition` holds; the suites' time limit is the deadline.
func waitUntil(_ condition: @Sendable () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(1)) }
}

/// A value that several tasks change.
final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    /// Changes it, and returns what it is then.
    @discardableResult
    func update(_ body: @Sendable (inout Value) -> Void) -> Value {
        state.withLock { value in
            body(&value)
            return value
        }
    }
}

/// Who is inside a stretch of code, and who was.
final class Occupancy: Sendable {
    struct State {
        var sharers = 0
        var owners = 0
        var mostSharers = 0
        var violations = 0
        var order: [Int] = []
    }
    let state = Mutex(State())

    func enter(exclusive: Bool) {
        state.withLock { state in
            if exclusive {
                state.owners += 1
                if state.owners > 1 || state.sharers > 0 { state.violations += 1 }
            } else {
                state.sharers += 1
                state.mostSharers = max(state.mostSharers, state.sharers)
                if state.owners > 0 { state.violations += 1 }
            }
        }
    }

    func leave(exclusive: Bool) { state.withLock { if exclusive { $0.owners -= 1 } else { $0.sharers -= 1 } } }

    func note(_ number: Int) { state.withLock { $0.order.append(number) } }

    var order: [Int] { state.withLock { $0.order } }
}

@Suite(.timeLimit(.minutes(15))) struct AsyncMutexTests {
    @Test func oneAtATime() async throws {
        let mutex = AsyncMutex()
        let inside = Occupancy()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<300 {
                group.addTask {
                    try? await mutex.withLock {
                        inside.enter(exclusive: true)
                        if index % 3 == 0 { await Task.yield() }
                        inside.note(index)
                        inside.leave(exclusive: true)
                    }
                }
            }
        }
        #expect(inside.state.withLock { $0.violations } == 0)
        #expect(Set(inside.order).count == 300)
        #expect(mutex.tryLock())
        #expect(!mutex.tryLock())
        mutex.unlock()
    }

    /// Takes the lock, starts tasks one after the other, each waiting before the next begins.
    @Test func inOrderOfArrival() async throws {
        let mutex = AsyncMutex()
        let inside = Occupancy()
        try await mutex.lock()
        var tasks: [Task<Void, any Error>] = []
        for index in 0..<20 {
            let isQueued = mutex.waiterCount
            tasks.append(
                Task {
                    try await mutex.withLock { inside.note(index) }
                })
            try await waitUntil { mutex.waiterCount == isQueued + 1 }
        }
        mutex.unlock()
        for task in tasks { try await task.value }
        #expect(inside.order == Array(0..<20))
    }

    @Test func aCancelledWaiterLeavesTheQueue() async throws {
        let mutex = AsyncMutex()
        let inside = Occupancy()
        try await mutex.lock()
        var tasks: [Task<Void, any Error>] = []
        for index in 0..<10 {
            tasks.append(Task { try await mutex.withLock { inside.note(index) } })
            try await waitUntil { mutex.waiterCount == index + 1 }
        }
        for index in stride(from: 0, to: 10, by: 2) { tasks[index].cancel() }
        for index in stride(from: 0, to: 10, by: 2) {
            await #expect(throws: CancellationError.self) { try await tasks[index].value }
        }
        #expect(mutex.waiterCount == 5)
        mutex.unlock()
        for index in stride(from: 1, to: 10, by: 2) { try await tasks[index].value }
        #expect(inside.order == [1, 3, 5, 7, 9])
    }

    @Test func whatIsThrownInsideGivesTheLockBack() async throws {
        struct Failure: Error {}
        let mutex = AsyncMutex()
        await #expect(throws: Failure.self) { try await mutex.withLock { throw Failure() } }
        #expect(mutex.tryLock())
    }

    /// Cancellation and unlock race; nobody may be left asleep, nobody inside twice, and the lock is free in the end.
    @Test func noWakeUpIsLost() async throws {
        let mutex = AsyncMutex()
        let inside = Occupancy()
        await withTaskGroup(of: Void.self) { group in
            for round in 0..<500 {
                group.addTask {
                    let task = Task {
                        try await mutex.withLock {
                            inside.enter(exclusive: true)
                            await Task.yield()
                            inside.leave(exclusive: true)
                        }
                    }
                    if round % 2 == 0 {
                        await Task.yield()
                        task.cancel()
                    }
                    _ = try? await task.value
                }
            }
        }
        #expect(inside.state.withLock { $0.violations } == 0)
        #expect(mutex.tryLock())
    }
}

@Suite(.timeLimit(.minutes(15))) struct AsyncReadWriteLockTests {
    @Test func manyShareAndOneHasItAlone() async throws {
        let lock = AsyncReadWriteLock()
        let inside = Occupancy()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<400 {
                let exclusive = index % 7 == 0
                group.addTask {
                    guard (try? await lock.lock(exclusive: exclusive)) != nil else { return }
                    inside.enter(exclusive: exclusive)
                    await Task.yield()
                    inside.note(index)
                    inside.leave(exclusive: exclusive)
                    lock.unlock(exclusive: exclusive)
                }
            }
        }
        #expect(inside.state.withLock { $0.violations } == 0)
        #expect(Set(inside.order).count == 400)
    }

    @Test func sharersAreInsideTogether() async throws {
        let lock = AsyncReadWriteLock()
        for _ in 0..<5 { try await lock.lock(exclusive: false) }
        let writer = Task { try await lock.lock(exclusive: true) }
        try await waitUntil { lock.waiterCount == 1 }
        for _ in 0..<5 { lock.unlock(exclusive: false) }
        try await writer.value
        lock.unlock(exclusive: true)
    }

    /// A sharer that comes after a waiting owner waits behind it: owners do not starve.
    @Test func inOrderOfArrival() async throws {
        let lock = AsyncReadWriteLock()
        let inside = Occupancy()
        try await lock.lock(exclusive: false)
        var tasks: [Task<Void, any Error>] = []
        for (index, exclusive) in [true, false, false, true, false].enumerated() {
            tasks.append(
                Task {
                    try await lock.lock(exclusive: exclusive)
                    inside.note(exclusive ? index + 100 : index)
                    lock.unlock(exclusive: exclusive)
                })
            try await waitUntil { lock.waiterCount == index + 1 }
        }
        lock.unlock(exclusive: false)
        for task in tasks { try await task.value }
        let order = inside.order
        #expect(order.first == 100 && Set(order[1...2]) == [1, 2] && order[3...] == [103, 4])
    }

    /// An owner who gives up waiting lets the sharers behind it in.
    @Test func aCancelledOwnerLetsSharersIn() async throws {
        let lock = AsyncReadWriteLock()
        try await lock.lock(exclusive: false)
        let owner = Task { try await lock.lock(exclusive: true) }
        try await waitUntil { lock.waiterCount == 1 }
        let sharer = Task { try await lock.lock(exclusive: false) }
        try await waitUntil { lock.waiterCount == 2 }
        owner.cancel()
        await #expect(throws: CancellationError.self) { try await owner.value }
        try await sharer.value
        lock.unlock(exclusive: false)
        lock.unlock(exclusive: false)
        try await lock.lock(exclusive: true)
        lock.unlock(exclusive: true)
    }

    @Test func noWakeUpIsLost() async throws {
        let lock = AsyncReadWriteLock()
        let inside = Occupancy()
        await withTaskGroup(of: Void.self) { group in
            for round in 0..<600 {
                let exclusive = round % 3 == 0
                group.addTask {
                    let task = Task {
                        try await lock.lock(exclusive: exclusive)
                        inside.enter(exclusive: exclusive)
                        await Task.yield()
                        inside.leave(exclusive: exclusive)
                        lock.unlock(exclusive: exclusive)
                    }
                    if round % 4 == 0 {
                        await Task.yield()
                        task.cancel()
                    }
                    _ = try? await task.value
                }
            }
        }
        #expect(inside.state.withLock { $0.violations } == 0)
        try await lock.lock(exclusive: true)
        lock.unlock(exclusive: true)
    }
}
