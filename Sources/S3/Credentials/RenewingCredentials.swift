internal import Glibc
internal import Logging
internal import ObjectStore
internal import Synchronization

/// Temporary credentials that renew themselves while they are in use; see ``CredentialsRefresh`` for when.
///
/// A refresh is a task of its own: a request that is given up does not end it for the others. Nothing happens while no
/// request is made, so an idle mount asks nobody.
final class RenewingCredentials: Sendable {
    typealias Fetch = @Sendable () async -> Result<Credentials, CredentialsError>

    private struct State {
        var refresh = CredentialsRefresh()
        var task: Task<Void, Never>?
    }

    private let fetch: Fetch
    private let origin: String
    private let logger: Logger
    private let state = Mutex(State())

    /// Nothing is asked for before the first request.
    init(origin: String, logger: Logger, fetch: @escaping Fetch) {
        self.origin = origin
        self.logger = logger
        self.fetch = fetch
    }

    /// What to sign with now. Costs a lock; a wait only where there is nothing valid.
    func credentials() async throws(CredentialsError) -> Credentials {
        try await answer { $0.ask(now: Self.now()) }
    }

    /// What to sign with after the store has refused `refused`: one refresh for all that were refused at once.
    func credentials(insteadOf refused: Credentials) async throws(CredentialsError) -> Credentials {
        try await answer { $0.refused(refused, now: Self.now()) }
    }

    /// What is known, at its end or not.
    var known: Credentials? { state.withLock { $0.refresh.current } }

    /// A file that the credentials are made from has changed.
    func sourceChanged() { state.withLock { $0.refresh.sourceChanged() } }

    private func answer(
        _ ask: (inout CredentialsRefresh) -> CredentialsRefresh.Answer
    ) async throws(CredentialsError) -> Credentials {
        while true {
            let (answer, task) = step(ask)
            switch answer {
            case .use(let credentials, _): return credentials
            case .fail(let error): throw error
            case .wait:
                if let task { await Self.wait(for: task) }
                if Task.isCancelled { throw CredentialsError("cancelled", isTransient: true) }
            }
        }
    }

    /// Returns when the refresh is over or this task is cancelled: a program that waits can be killed.
    private static func wait(for refresh: Task<Void, Never>) async {
        let end = FirstOf()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                end.set(continuation)
                Task.detached {
                    await refresh.value
                    end.come()
                }
            }
        } onCancel: {
            end.come()
        }
    }

    private func step(
        _ ask: (inout CredentialsRefresh) -> CredentialsRefresh.Answer
    ) -> (CredentialsRefresh.Answer, Task<Void, Never>?) {
        state.withLock { state in
            let answer = ask(&state.refresh)
            switch answer {
            case .use(_, refreshes: true), .wait(begins: true):
                // Only begun here; it runs elsewhere.
                state.task = Task.detached { [self] in await refresh() }
            case .use, .wait, .fail: break
            }
            return (answer, state.task)
        }
    }

    private func refresh() async {
        let result = await fetch()
        let now = Self.now()
        switch result {
        case .success(let credentials):
            let chance = Double.random(in: 0...1)
            state.withLock { $0.refresh.succeeded(credentials, now: now, chance: chance) }
            let rest = credentials.expiration.map { "\($0.seconds - Int64(now)) s" } ?? "without end"
            logger.info("credentials renewed", metadata: ["origin": "\(origin)", "valid": "\(rest)"])
        case .failure(let error):
            let isValid = state.withLock { state in
                state.refresh.failed(error, now: now)
                return state.refresh.isValid(now: now)
            }
            logger.error(
                isValid
                    ? "credentials cannot be renewed; those known stay in use to their end"
                    : "credentials cannot be had",
                metadata: ["origin": "\(origin)", "problem": "\(error)"])
        }
    }

    /// Seconds of Unix time.
    private static func now() -> CredentialsRefresh.Moment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Wakes one task by whichever event comes first; the events may come before the task waits.
private final class FirstOf: Sendable {
    private struct State {
        var waiter: CheckedContinuation<Void, Never>?
        var hasCome = false
    }

    private let state = Mutex(State())

    func set(_ waiter: CheckedContinuation<Void, Never>) {
        let isLate = state.withLock { state in
            if !state.hasCome { state.waiter = waiter }
            return state.hasCome
        }
        if isLate { waiter.resume() }
    }

    func come() {
        let waiter = state.withLock { state in
            state.hasCome = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
