import ObjectStore
import Testing

@testable import S3

/// A fake clock: seconds from the first refresh on.
@Suite struct CredentialsRefreshTests {
    private static func keys(_ name: String, until end: Int64?) -> Credentials {
        Credentials(
            accessKeyID: name, secretAccessKey: "s", sessionToken: "t", expiration: end.map { Timestamp(seconds: $0) })
    }

    private let hour = keys("A", until: 3600)
    private let error = CredentialsError("no", isTransient: true)

    private func refreshed(_ credentials: Credentials, chance: Double = 0) -> CredentialsRefresh {
        var refresh = CredentialsRefresh()
        #expect(refresh.ask(now: -1) == .wait(begins: true))
        refresh.succeeded(credentials, now: 0, chance: chance)
        return refresh
    }

    @Test func theFirstRequestBeginsAndTheOthersWait() {
        var refresh = CredentialsRefresh()
        let answers = [refresh.ask(now: 0), refresh.ask(now: 0), refresh.ask(now: 9)]
        #expect(answers == [.wait(begins: true), .wait(begins: false), .wait(begins: false)])
        refresh.succeeded(hour, now: 10, chance: 0)
        #expect(refresh.ask(now: 10) == .use(hour, refreshes: false))
    }

    @Test func oneBackgroundRefreshAheadOfTheEndAndNobodyWaits() {
        var refresh = refreshed(hour)
        #expect(refresh.ask(now: 2699) == .use(hour, refreshes: false))
        let answers = [refresh.ask(now: 2701), refresh.ask(now: 2702), refresh.ask(now: 3000)]
        #expect(
            answers == [.use(hour, refreshes: true), .use(hour, refreshes: false), .use(hour, refreshes: false)])
        let next = Self.keys("B", until: 7200)
        refresh.succeeded(next, now: 3001, chance: 0)
        #expect(refresh.ask(now: 3002) == .use(next, refreshes: false))
    }

    @Test func chanceMovesTheMomentByFiveMinutes() {
        var refresh = refreshed(hour, chance: 1)
        #expect(refresh.ask(now: 2990) == .use(hour, refreshes: false))
        #expect(refresh.ask(now: 3001) == .use(hour, refreshes: true))
    }

    @Test func mandatoryShortlyBeforeTheEnd() {
        var refresh = refreshed(hour)
        #expect(refresh.ask(now: 3481) == .wait(begins: true))
        #expect(refresh.ask(now: 3482) == .wait(begins: false))
        refresh.failed(error, now: 3483)
        #expect(refresh.ask(now: 3483.5) == .use(hour, refreshes: false), "valid, and tried just now")
        #expect(refresh.ask(now: 3485) == .wait(begins: true))
    }

    @Test func failuresKeepWhatIsValidAndWaitLongerEachTime() {
        var refresh = refreshed(hour)
        var now = 2800.0
        for pause in [1.0, 2, 4, 8, 16, 32, 60] {
            #expect(refresh.ask(now: now) == .use(hour, refreshes: true))
            refresh.failed(error, now: now)
            #expect(refresh.ask(now: now + pause - 0.1) == .use(hour, refreshes: false))
            now += pause
        }
    }

    @Test func afterTheEndThereIsNothingButARefreshOrItsError() {
        var refresh = refreshed(hour)
        #expect(refresh.ask(now: 3600) == .wait(begins: true))
        refresh.failed(error, now: 3601)
        #expect(refresh.ask(now: 3601.5) == .fail(error))
        #expect(refresh.isValid(now: 3601.5) == false)
        #expect(refresh.ask(now: 3602.1) == .wait(begins: true))
        for _ in 0..<9 { refresh.failed(error, now: 3602.1) }
        #expect(refresh.ask(now: 3607.2) == .wait(begins: true), "no minute without keys")
    }

    @Test func shortLivesHaveShortMargins() {
        var refresh = refreshed(Self.keys("S", until: 10))
        let short = Self.keys("S", until: 10)
        #expect(refresh.ask(now: 6.9) == .use(short, refreshes: false))
        #expect(refresh.ask(now: 7.1) == .use(short, refreshes: true))
    }

    @Test func theSameOnesAgainAreNotAskedForWithEachRequest() {
        var refresh = refreshed(hour)
        #expect(refresh.ask(now: 2800) == .use(hour, refreshes: true))
        refresh.succeeded(hour, now: 2801, chance: 0)
        #expect(refresh.ask(now: 3350) == .use(hour, refreshes: false))
        #expect(refresh.ask(now: 3370) == .use(hour, refreshes: true), "when little is left of what was left then")
    }

    @Test func whatComesPastItsEndIsUsedAndAskedForAgain() {
        let old = Self.keys("O", until: -100)
        var refresh = refreshed(old)
        #expect(refresh.ask(now: 1) == .use(old, refreshes: false), "the clock is wrong, or the service cannot renew")
        #expect(refresh.ask(now: 31) == .wait(begins: true))
    }

    @Test func lastingOnesAreNeverRenewed() {
        let lasting = Self.keys("L", until: nil)
        var refresh = refreshed(lasting)
        #expect(refresh.ask(now: 1e9) == .use(lasting, refreshes: false))
        #expect(refresh.refused(lasting, now: 1e9) == .wait(begins: true), "but where the store refuses them")
    }

    @Test func oneRefreshForAllThatWereRefused() {
        var refresh = refreshed(hour)
        let answers = [refresh.refused(hour, now: 100), refresh.refused(hour, now: 100)]
        #expect(answers == [.wait(begins: true), .wait(begins: false)])
        let next = Self.keys("B", until: 7200)
        refresh.succeeded(next, now: 101, chance: 0)
        #expect(refresh.refused(hour, now: 101.1) == .use(next, refreshes: false), "others are there by now")
        for _ in 0..<4 {
            #expect(refresh.refused(next, now: 101.2) == .wait(begins: true))
            refresh.succeeded(next, now: 101.2, chance: 0)
        }
        guard case .fail(let tooOften) = refresh.refused(next, now: 101.3) else {
            Issue.record("without end")
            return
        }
        #expect(tooOften.isTransient, "a request waits and tries again")
        #expect(refresh.ask(now: 101.3) == .use(next, refreshes: false))
        #expect(refresh.refused(next, now: 110) == .wait(begins: true))
        refresh.failed(error, now: 110)
        #expect(refresh.refused(next, now: 110.1) == .fail(error), "refused, and no others to be had")
        #expect(refresh.ask(now: 110.1) == .use(next, refreshes: false))
    }

    @Test func aNewLoginIsTriedAtOnce() {
        var refresh = CredentialsRefresh()
        #expect(refresh.ask(now: 0) == .wait(begins: true))
        refresh.failed(error, now: 0)
        #expect(refresh.ask(now: 0.5) == .fail(error))
        refresh.sourceChanged()
        #expect(refresh.ask(now: 0.5) == .wait(begins: true))
    }
}
