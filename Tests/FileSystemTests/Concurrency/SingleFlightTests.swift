import Synchronization
import Testing

@testable import FileSystem

@Suite(.timeLimit(.minutes(15))) struct SingleFlightTests {
    struct Failure: Error, Equatable { var number: Int }

    @Test func oneRequestForAllWhoAskMeanwhile() async throws {
        let flight = SingleFlight<String, Int>()
        let door = Turnstile()
        let made = Shared(0)
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            let asking = Shared(0)
            for _ in 0..<100 {
                group.addTask {
                    asking.update { $0 += 1 }
                    return try await flight.value(for: "k") {
                        made.update { $0 += 1 }
                        await door.pass()
                        return made.value
                    }
                }
            }
            try await waitUntil { asking.value == 100 && flight.isInFlight("k") }
            // All who have begun to ask get to the table before the answer comes.
            for _ in 0..<20 { try await Task.sleep(for: .milliseconds(1)) }
            door.open()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 100)
        let count = made.value
        #expect(count <= 2)
        #expect(!flight.isInFlight("k"))
    }

    /// An answer that the request noted before it ended is not asked for again.
    @Test func whatIsKnownIsNotAskedFor() async throws {
        let flight = SingleFlight<String, Int>()
        let noted = Shared<Int?>(nil)
        let made = Shared(0)
        flight.begin(for: "k", unless: { noted.value != nil }) {
            made.update { $0 += 1 }
            noted.update { $0 = 7 }
            return 7
        }
        try await waitUntil { noted.value != nil }
        flight.begin(for: "k", unless: { noted.value != nil }) {
            made.update { $0 += 1 }
            return 8
        }
        let answer = try await flight.value(for: "k", known: { noted.value }) {
            made.update { $0 += 1 }
            return 9
        }
        #expect(answer == 7)
        #expect(made.value == 1)
    }

    @Test func theNextQuestionAsksAnew() async throws {
        let flight = SingleFlight<String, Int>()
        let made = Shared(0)
        for number in 1...3 {
            let answer = try await flight.value(for: "k") { made.update { $0 += 1 } }
            #expect(answer == number)
        }
    }

    @Test func keysAreApart() async throws {
        let flight = SingleFlight<Int, Int>()
        let answers = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for key in 0..<50 { group.addTask { (key, try await flight.value(for: key) { key * 2 }) } }
            return try await group.reduce(into: [Int: Int]()) { $0[$1.0] = $1.1 }
        }
        #expect(answers == Dictionary(uniqueKeysWithValues: (0..<50).map { ($0, $0 * 2) }))
    }

    @Test func anErrorIsSharedAndNotKept() async throws {
        let flight = SingleFlight<String, Int>()
        await #expect(throws: Failure(number: 1)) { try await flight.value(for: "k") { throw Failure(number: 1) } }
        #expect(try await flight.value(for: "k") { 7 } == 7)
    }

    /// One of two who wait is interrupted: it ends at once, the request goes on for the other.
    @Test func aCancelledWaiterDoesNotEndTheRequest() async throws {
        let flight = SingleFlight<String, Int>()
        let door = Turnstile()
        let isCancelled = Shared(false)
        let first = Task {
            try await flight.value(for: "k") {
                await door.pass()
                let now = Task.isCancelled
                isCancelled.update { $0 = now }
                return 5
            }
        }
        try await waitUntil { flight.isInFlight("k") }
        let second = Task { try await flight.value(for: "k") { 6 } }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(flight.isInFlight("k"))
        door.open()
        let answer = try await second.value
        #expect(answer == 5 || answer == 6)
        let wasCancelled = isCancelled.value
        #expect(!wasCancelled)
    }

    /// The continuation is resumed once whichever comes first.
    @Test func answersAndCancellationsRace() async throws {
        let flight = SingleFlight<Int, Int>()
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<500 {
                group.addTask {
                    let task = Task { try await flight.value(for: index % 5) { index } }
                    if index % 2 == 0 { task.cancel() }
                    _ = await task.result
                }
            }
        }
        for key in 0..<5 { try await waitUntil { !flight.isInFlight(key) } }
    }
}
