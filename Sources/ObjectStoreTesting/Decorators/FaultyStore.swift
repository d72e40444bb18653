public import ObjectStore
import Synchronization

/// What goes wrong with one request.
public enum Fault: Sendable, Hashable {
    /// The store refuses it, or it never gets there: no effect, and an error of this kind.
    case before(StoreError.Kind)
    /// It takes effect, but the answer is lost: an ambiguous error of this kind.
    case after(StoreError.Kind)
    /// It is delivered twice, as a retry after a lost answer does: the caller gets the second answer. An error is ambiguous.
    case duplicated
    /// It fails with `timedOut` now and takes effect only when ``FaultyStore/deliverLate()`` is called.
    case late
    /// A GET's body ends after so many bytes with an error of this kind; other requests are not touched.
    case cut(after: Int64, StoreError.Kind)
}

/// Decides which requests of a ``FaultyStore`` go wrong.
public protocol FaultPlan: Sendable {
    /// What goes wrong with the request that comes as number `index`, from 0 on; nil for nothing.
    mutating func fault(for request: StoreRequest, index: Int) -> Fault?
}

/// Faults for named requests, each rule used up in turn.
public struct ScriptedFaults: FaultPlan {
    /// One rule.
    public struct Rule: Sendable {
        var operation: StoreOperation?
        var key: ObjectKey?
        var skipping: Int
        var times: Int
        var fault: Fault

        /// The fault for requests of this operation (nil: any) on this key (nil: any), after `skipping` of them, `times` times.
        public init(
            _ fault: Fault, on operation: StoreOperation? = nil, key: ObjectKey? = nil, skipping: Int = 0,
            times: Int = 1
        ) {
            self.fault = fault
            self.operation = operation
            self.key = key
            self.skipping = skipping
            self.times = times
        }
    }

    private var rules: [Rule]

    /// The rules; the first that fits a request decides.
    public init(_ rules: [Rule]) { self.rules = rules }

    /// The first fitting rule's fault.
    public mutating func fault(for request: StoreRequest, index: Int) -> Fault? {
        for place in rules.indices {
            let rule = rules[place]
            guard rule.times > 0, rule.operation == nil || rule.operation == request.operation,
                rule.key == nil || rule.key == request.key
            else { continue }
            if rule.skipping > 0 {
                rules[place].skipping -= 1
                continue
            }
            rules[place].times -= 1
            return rule.fault
        }
        return nil
    }
}

/// Faults by chance, the same for the same seed and order of requests.
public struct SeededFaults: FaultPlan {
    private var random: SplitMix64
    private let probability: Double
    private let faults: [Fault]

    /// Each request goes wrong with this probability (0 to 1), in one of these ways.
    public init(
        seed: UInt64, probability: Double,
        faults: [Fault] = [
            .before(.serverError), .before(.throttled), .before(.unreachable), .after(.timedOut), .after(.serverError),
            .duplicated, .cut(after: 1000, .badResponse),
        ]
    ) {
        precondition(!faults.isEmpty, "a seeded plan needs at least one fault to choose from")
        random = SplitMix64(seed: seed)
        self.probability = probability
        self.faults = faults
    }

    /// A fault by chance. Draws two numbers for each request, so that one request's fate does not shift the others'.
    public mutating func fault(for request: StoreRequest, index: Int) -> Fault? {
        let chance = Double(random.next() >> 11) / Double(1 << 53)
        let choice = Int(random.next() % UInt64(faults.count))
        return chance < probability ? faults[choice] : nil
    }
}

/// A store around another one that lets requests go wrong by a plan.
///
/// Faults are those that the S3 layer cannot hide: what is thrown is final, retries are over. Reads fail with the error
/// alone, as a read has no effect; `duplicated` and `late` make reads go twice, or fail, without a trace.
public final class FaultyStore: DecoratingStore {
    private struct State {
        var plan: any FaultPlan
        var requests = 0
        var injected: [(request: StoreRequest, fault: Fault)] = []
        var late: [@Sendable () async -> Void] = []
        var isEnabled = true
    }

    /// The store inside.
    public let base: any ObjectStore

    private let state: Mutex<State>

    /// Lets requests of `base` go wrong by `plan`.
    public init(_ base: any ObjectStore, plan: any FaultPlan) {
        self.base = base
        state = Mutex(State(plan: plan))
    }

    /// Lets requests of `base` go wrong by these rules.
    public convenience init(_ base: any ObjectStore, _ rules: [ScriptedFaults.Rule]) {
        self.init(base, plan: ScriptedFaults(rules))
    }

    /// Whether the plan is asked at all; off, requests pass untouched.
    public var isEnabled: Bool {
        get { state.withLock { $0.isEnabled } }
        set { state.withLock { $0.isEnabled = newValue } }
    }

    /// The requests that went wrong so far, and how.
    public var injected: [(request: StoreRequest, fault: Fault)] { state.withLock { $0.injected } }

    /// Takes another plan.
    public func use(_ plan: any FaultPlan) { state.withLock { $0.plan = plan } }

    /// Carries out the requests that timed out with `late`, in their order; returns how many.
    @discardableResult
    public func deliverLate() async -> Int {
        let calls = state.withLock { state in
            defer { state.late = [] }
            return state.late
        }
        for call in calls { await call() }
        return calls.count
    }

    /// GetObject; a `cut` lets the sink have the first bytes only.
    @discardableResult
    public func get(
        _ key: ObjectKey, range: Range<Int64>?, ifMatch: ETag?, into sink: any DownloadSink
    ) async throws(StoreError) -> ObjectInfo {
        let request = StoreRequest(.get, key: key, range: range)
        let fault = decide(request)
        guard case .cut(let limit, let kind) = fault else {
            // Delivered twice, a GET would break the sink's rules; the S3 layer never lets it.
            let effective: Fault? = fault == .duplicated ? nil : fault
            return try await run(request, effective) { [base] () async throws(StoreError) in
                try await base.get(key, range: range, ifMatch: ifMatch, into: sink)
            }
        }
        let short = CutSink(sink, after: limit)
        let info = try await base.get(key, range: range, ifMatch: ifMatch, into: short)
        if short.isCut { throw Self.error(kind, request, isAmbiguous: false) }
        return info
    }

    /// Makes the request as the plan says.
    public func perform<Answer: Sendable>(
        _ request: StoreRequest, _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        try await run(request, decide(request), call)
    }

    private func decide(_ request: StoreRequest) -> Fault? {
        state.withLock { state in
            guard state.isEnabled else { return nil }
            let index = state.requests
            state.requests += 1
            guard let fault = state.plan.fault(for: request, index: index) else { return nil }
            state.injected.append((request, fault))
            return fault
        }
    }

    private func run<Answer: Sendable>(
        _ request: StoreRequest, _ fault: Fault?,
        _ call: @escaping @Sendable () async throws(StoreError) -> Answer
    ) async throws(StoreError) -> Answer {
        let isMutation = request.operation.isMutation
        switch fault {
        case nil, .cut:
            return try await call()
        case .before(let kind):
            throw Self.error(kind, request, isAmbiguous: false)
        case .after(let kind):
            if isMutation { _ = try? await call() }
            throw Self.error(kind, request, isAmbiguous: isMutation)
        case .duplicated:
            if isMutation { _ = try? await call() }
            do {
                return try await call()
            } catch {
                var error = error
                error.isAmbiguous = isMutation
                throw error
            }
        case .late:
            if isMutation { state.withLock { $0.late.append { _ = try? await call() } } }
            throw Self.error(.timedOut, request, isAmbiguous: isMutation)
        }
    }

    private static func error(_ kind: StoreError.Kind, _ request: StoreRequest, isAmbiguous: Bool) -> StoreError {
        let (status, code): (Int?, String?) =
            switch kind {
            case .serverError: (500, "InternalError")
            case .throttled: (503, "SlowDown")
            case .accessDenied: (403, "AccessDenied")
            case .notFound: (404, "NoSuchKey")
            case .preconditionFailed: (412, "PreconditionFailed")
            default: (nil, nil)
            }
        return StoreError(
            kind, operation: request.operation.rawValue, key: request.key, status: status, code: code,
            message: "injected fault", isAmbiguous: isAmbiguous)
    }
}

/// Passes on the first bytes of a GET and swallows the rest.
private final class CutSink: DownloadSink {
    private struct State {
        var left: Int64
        var isCut = false
    }

    private let sink: any DownloadSink
    private let state: Mutex<State>

    init(_ sink: any DownloadSink, after limit: Int64) {
        self.sink = sink
        state = Mutex(State(left: limit))
    }

    var isCut: Bool { state.withLock { $0.isCut } }

    func begin(_ info: ObjectInfo, range: Range<Int64>) { sink.begin(info, range: range) }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        let passed = state.withLock { state -> Int in
            let passed = Int(min(Int64(bytes.count), state.left))
            state.left -= Int64(passed)
            if passed < bytes.count { state.isCut = true }
            return passed
        }
        if passed > 0 { sink.receive(UnsafeRawBufferPointer(rebasing: bytes[..<passed])) }
    }
}
