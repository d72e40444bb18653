public import ObjectStore
import Synchronization

/// Lets a process "die" at its n-th request: that one and all later ones fail, and nothing reaches the store any more.
///
/// Crash tests run a piece of work once with a count that is never reached, to learn how many requests it makes, then once
/// for each of them, each time looking at what the store holds and starting anew on it.
public final class CrashingStore: DecoratingStore {
    /// When, seen from the last request, the process dies.
    public enum Moment: Sendable, CaseIterable {
        /// Before the request leaves the machine.
        case beforeEffect
        /// After the store has carried it out, before the answer is read.
        case afterEffect
    }

    private struct State {
        var left: Int
        var moment: Moment
        var hasCrashed = false
        var made = 0
    }

    private enum Verdict { case alive, lastWords, dead }

    /// The code that all errors carry once the process is dead.
    public static let code = "ProcessDied"

    /// The store inside.
    public let base: any ObjectStore

    private let counts: @Sendable (StoreRequest) -> Bool
    private let state: Mutex<State>

    /// Dies at the request after `requests` good ones.
    ///
    /// - Parameter counts: which requests count: all unless said otherwise, or mutations only, say.
    public init(
        _ base: any ObjectStore, after requests: Int, _ moment: Moment = .beforeEffect,
        counting counts: @escaping @Sendable (StoreRequest) -> Bool = { _ in true }
    ) {
        self.base = base
        self.counts = counts
        state = Mutex(State(left: requests, moment: moment))
    }

    /// Whether the process is dead.
    public var hasCrashed: Bool { state.withLock { $0.hasCrashed } }

    /// The counted requests that were carried out, the last one after which the answer was lost included.
    public var requestsMade: Int { state.withLock { $0.made } }

    /// Dies now.
    public func crash() { state.withLock { $0.hasCrashed = true } }

    /// Dies at the request after so many good ones from now on.
    public func crash(after requests: Int, _ moment: Moment) {
        state.withLock { state in
            state.left = requests
            state.moment = moment
        }
    }

    /// Makes the request, or fails as all do that a dead process asks.
    public func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        let verdict = state.withLock { state -> Verdict in
            if state.hasCrashed { return .dead }
            guard counts(request) else { return .alive }
            if state.left > 0 {
                state.left -= 1
                state.made += 1
                return .alive
            }
            state.hasCrashed = true
            if state.moment == .beforeEffect { return .dead }
            state.made += 1
            return .lastWords
        }
        switch verdict {
        case .alive:
            let answer = try await call()
            // What another task's crash overtook is not heard of any more.
            if hasCrashed { throw death(request) }
            return answer
        case .lastWords:
            _ = try? await call()
            throw death(request)
        case .dead:
            throw death(request)
        }
    }

    private func death(_ request: StoreRequest) -> StoreError {
        StoreError(
            .unreachable, operation: request.operation.rawValue, key: request.key, code: Self.code,
            message: "the process has died", isAmbiguous: request.operation.isMutation)
    }
}
