import ObjectStore
import Synchronization
import Testing

@testable import S3

/// Many requests at once, and a service that answers when the test lets it.
@Suite struct RenewingCredentialsTests {
    /// A service whose answers wait for the test.
    private final class Service: Sendable {
        private let state = Mutex<(asked: Int, waiting: [CheckedContinuation<Void, Never>])>((0, []))

        var asked: Int { state.withLock { $0.asked } }

        func ask() async {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.asked += 1
                    state.waiting.append(continuation)
                }
            }
        }

        func answer() {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }

        func untilAsked(_ times: Int) async { while asked < times { await Task.yield() } }
    }

    private static func keys(_ name: String) -> Credentials {
        Credentials(accessKeyID: name, secretAccessKey: "s", sessionToken: "t", expiration: Timestamp(seconds: 1 << 40))
    }

    @Test(.timeLimit(.minutes(1))) func manyRequestsAreOneRefresh() async throws {
        let service = Service()
        let renewing = RenewingCredentials(origin: "test", logger: Records().logger()) {
            await service.ask()
            return .success(Self.keys("A"))
        }
        let found = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<50 { group.addTask { try? await renewing.credentials().accessKeyID } }
            await service.untilAsked(1)
            service.answer()
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(found == Array(repeating: "A", count: 50))
        #expect(service.asked == 1)
    }

    @Test(.timeLimit(.minutes(1))) func whoWaitsCanBeCancelledAndTheOthersGoOn() async throws {
        let service = Service()
        let renewing = RenewingCredentials(origin: "test", logger: Records().logger()) {
            await service.ask()
            return .success(Self.keys("A"))
        }
        let cancelled = Task { try? await renewing.credentials() }
        let other = Task { try? await renewing.credentials() }
        await service.untilAsked(1)
        cancelled.cancel()
        #expect(await cancelled.value == nil, "it did not wait for the service, which has not answered")
        service.answer()
        #expect(await other.value?.accessKeyID == "A")
        #expect(service.asked == 1)
    }

    @Test(.timeLimit(.minutes(1))) func refusedKeysAreRenewedOnceForAll() async throws {
        let service = Service()
        let renewing = RenewingCredentials(origin: "test", logger: Records().logger()) {
            await service.ask()
            return .success(Self.keys("\(service.asked)"))
        }
        let first = Task { try await renewing.credentials() }
        await service.untilAsked(1)
        service.answer()
        let old = try await first.value
        let found = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<20 { group.addTask { try? await renewing.credentials(insteadOf: old).accessKeyID } }
            await service.untilAsked(2)
            service.answer()
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(found == Array(repeating: "2", count: 20))
        #expect(service.asked == 2)
    }
}
