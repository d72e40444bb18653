internal import ObjectStore

/// When temporary credentials are asked for anew: ahead of their end, one refresh at a time, and never so that a request waits
/// while there are good ones.
///
/// A value that does no I/O; it is told what happened and answers what to do. From the last refresh on:
///
/// | time | a request |
/// |---|---|
/// | up to the *advisory* moment: 15 minutes before the end (10 to 15, by chance), at most 30 % of the lifetime | uses what is there |
/// | up to the *mandatory* one: 2 minutes before the end, at most 10 % of the lifetime | uses what is there; the first one begins a refresh |
/// | up to the end | waits for a refresh, unless one has failed just now |
/// | after the end | waits for a refresh, or fails with what was wrong with the last one |
///
/// A service that gives credentials that are at their end already (its clock or this machine's is wrong, or it cannot renew
/// them) is believed: they are used until the store refuses them, and asked for again every half minute. After a failure
/// the next refresh waits 1 s, then 2 s, up to a minute; up to 5 s where
/// requests have nothing to be signed with.
struct CredentialsRefresh: Sendable {
    /// What a request shall do.
    enum Answer: Sendable, Equatable {
        /// Sign with these; and begin a refresh in the background where `refreshes`.
        case use(Credentials, refreshes: Bool)
        /// Wait for the refresh, which is under way or (`begins`) has to be begun; then ask again.
        case wait(begins: Bool)
        /// There are none.
        case fail(CredentialsError)
    }

    /// Seconds of Unix time, with fractions.
    typealias Moment = Double

    /// What was got last.
    private(set) var current: Credentials?
    private var isRefreshing = false
    private var end = Moment.infinity
    private var advisory = Moment.infinity
    private var mandatory = Moment.infinity
    private var forced = CredentialsRefresh.mostForced
    private var lastForced: Moment = 0
    private var next = -Moment.infinity
    private var failures = 0
    private var lastError: CredentialsError?

    /// Nothing is known yet.
    init() {}

    /// What a request shall do now.
    mutating func ask(now: Moment) -> Answer {
        guard let current else {
            if isRefreshing { return .wait(begins: false) }
            if let lastError, now < next { return .fail(lastError) }
            return begin()
        }
        if now < advisory { return .use(current, refreshes: false) }
        if now < end {
            if now >= mandatory, isRefreshing || now >= next { return isRefreshing ? .wait(begins: false) : begin() }
            guard !isRefreshing, now >= next else { return .use(current, refreshes: false) }
            isRefreshing = true
            return .use(current, refreshes: true)
        }
        if isRefreshing { return .wait(begins: false) }
        if now < next {
            // What was past its end when it came is used all the same.
            if let lastError { return .fail(lastError) }
            return .use(current, refreshes: false)
        }
        return begin()
    }

    /// The store has refused `refused`: what a request shall do then. Other credentials than those are used as they are. A refresh that
    /// has failed just now is what is wrong; beyond five in a row, one each two seconds is
    /// begun, and the refused requests wait for that.
    mutating func refused(_ refused: Credentials, now: Moment) -> Answer {
        guard let current, current == refused else { return ask(now: now) }
        if isRefreshing { return .wait(begins: false) }
        if let lastError, now < next { return .fail(lastError) }
        // A store that refuses whatever comes must not make a refresh of every request.
        forced = min(Self.mostForced, forced + max(0, now - lastForced) / Self.forcedPause)
        lastForced = now
        guard forced >= 1 else { return .fail(Self.tooOften) }
        forced -= 1
        return begin()
    }

    /// So many refreshes in a row for the store's refusals, then one each so many seconds.
    private static let mostForced = 5.0
    private static let forcedPause = 2.0
    private static let tooOften = CredentialsError(
        "the store refuses the keys, and they have just been renewed several times", isTransient: true)

    private mutating func begin() -> Answer {
        isRefreshing = true
        return .wait(begins: true)
    }

    /// A refresh has ended well.
    /// - Parameter chance: 0 to 1, so that many mounts that began together do not ask together.
    mutating func succeeded(_ credentials: Credentials, now: Moment, chance: Double) {
        isRefreshing = false
        failures = 0
        lastError = nil
        current = credentials
        guard let expiration = credentials.expiration else {
            (end, advisory, mandatory, next) = (.infinity, .infinity, .infinity, -.infinity)
            return
        }
        end = Double(expiration.seconds) + Double(expiration.nanoseconds) / 1e9
        let lifetime = end - now
        guard lifetime > 0 else {
            (advisory, mandatory, next) = (end, end, now + 30)
            return
        }
        advisory = end - min(900, 0.3 * lifetime) * (1 - chance / 3)
        mandatory = end - min(120, 0.1 * lifetime)
        // EC2 gives the same ones again until shortly before their end.
        next = now + min(60, max(1, lifetime / 20))
    }

    /// A refresh has failed.
    mutating func failed(_ error: CredentialsError, now: Moment) {
        isRefreshing = false
        lastError = error
        let pause = Double(1 << min(failures, 6))
        failures += 1
        next = now + min(pause, isValid(now: now) ? 60 : 5)
    }

    /// What the credentials are made from has changed (a person has logged in): a refresh that has failed may be tried at once.
    mutating func sourceChanged() {
        if lastError != nil { next = -.infinity }
    }

    /// Whether there are credentials that have not come to their end.
    func isValid(now: Moment) -> Bool { current != nil && now < end }
}
