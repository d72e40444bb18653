import ObjectStore
import Testing

@testable import LocalState

@Suite struct DrainScheduleTests {
    private func put(_ key: ObjectKey, reads: Set<ObjectKey> = [], guards: Set<ObjectKey> = [])
        -> DrainSchedule.Footprint
    {
        .init(writes: key, isDelete: false, reads: reads, guards: guards)
    }

    private func delete(_ key: ObjectKey) -> DrainSchedule.Footprint { .init(writes: key, isDelete: true) }

    private func schedule(_ footprints: DrainSchedule.Footprint...) -> DrainSchedule {
        var schedule = DrainSchedule()
        for (index, footprint) in footprints.enumerated() {
            schedule.add(Int64(index + 1), footprint)
            schedule.recorded(Int64(index + 1))
        }
        return schedule
    }

    private func next(_ schedule: inout DrainSchedule, limit: Int) -> Int64? { schedule.next(limit: limit) }

    private func claim(_ schedule: inout DrainSchedule, _ id: Int64) -> Bool { schedule.claim(id) }

    /// All that may run now, which then runs.
    private func runnable(_ schedule: inout DrainSchedule) -> [Int64] {
        var ids: [Int64] = []
        while let id = schedule.next(limit: 100) { ids.append(id) }
        return ids.sorted()
    }

    @Test func differentKeysRunTogetherUpToTheLimit() {
        var schedule = schedule(put("a"), put("b"), delete("c"))
        #expect(next(&schedule, limit: 2) == 1)
        #expect(next(&schedule, limit: 2) == 2)
        #expect(next(&schedule, limit: 2) == nil)
        schedule.finished(1)
        #expect(next(&schedule, limit: 2) == 3)
        #expect(schedule.running == 2)
    }

    @Test func oneKeysChangesFollowEachOther() {
        var schedule = schedule(put("a"), put("a"), delete("a"))
        #expect(runnable(&schedule) == [1])
        schedule.finished(1)
        #expect(runnable(&schedule) == [2])
        schedule.finished(2)
        #expect(runnable(&schedule) == [3])
        schedule.finished(3)
        #expect(schedule.count == 0)
    }

    @Test func aRenameDeletesWhenItsCopyStands() {
        var schedule = schedule(put("b", reads: ["a"]), delete("a"), put("c", guards: ["d"]), delete("d"))
        #expect(runnable(&schedule) == [1, 3])
        schedule.finished(1)
        #expect(runnable(&schedule) == [2])
        schedule.finished(3)
        #expect(runnable(&schedule) == [4])
    }

    @Test func aCopyWaitsForItsSourceAndAGuardDoesNot() {
        var schedule = schedule(put("a"), put("b", reads: ["a"]), put("c", guards: ["a"]))
        #expect(runnable(&schedule) == [1, 3])
        schedule.finished(1)
        #expect(runnable(&schedule) == [2])
    }

    @Test func directoriesAppearBeforeAndVanishAfterWhatIsInThem() {
        var schedule = schedule(put("d/"), put("d/e/"), put("d/e/f"), put("dx"))
        #expect(runnable(&schedule) == [1, 4])
        schedule.finished(1)
        #expect(runnable(&schedule) == [2])
        schedule.finished(2)
        #expect(runnable(&schedule) == [3])

        var removal = self.schedule(delete("d/e/f"), delete("d/e/"), delete("d/"))
        #expect(runnable(&removal) == [1])
        removal.finished(1)
        #expect(runnable(&removal) == [2])
        removal.finished(2)
        #expect(runnable(&removal) == [3])
    }

    @Test func whatIsNotDurableOrClaimedDoesNotRun() {
        var schedule = DrainSchedule()
        schedule.add(1, put("a"))
        #expect(next(&schedule, limit: 1) == nil)
        #expect(!claim(&schedule, 1))
        schedule.recorded(1)
        #expect(claim(&schedule, 1))
        #expect(next(&schedule, limit: 1) == nil)
        schedule.unclaim(1)
        #expect(next(&schedule, limit: 1) == 1)
        #expect(!claim(&schedule, 1))
    }

    @Test func aFailureRestsAndHoldsItsFollowersOnly() {
        var schedule = schedule(put("a"), put("a"), put("b"))
        #expect(next(&schedule, limit: 1) == 1)
        schedule.rest(1)
        #expect(runnable(&schedule) == [3])
        schedule.wake(1)
        #expect(runnable(&schedule) == [1])
        schedule.finished(1)
        #expect(runnable(&schedule) == [2])
    }

    @Test func aReplacementKeepsThePlace() {
        // A copy, the deletion of its source, then new content over the copy: the source stays until that stands.
        var schedule = schedule(put("b", reads: ["a"]), delete("a"))
        #expect(claim(&schedule, 1))
        #expect(schedule.canReplace(1, put("b")))
        schedule.replace(1, put("b"), waits: schedule.waitsAfterReplacing(1, put("b")))
        #expect(runnable(&schedule) == [1])
        schedule.finished(1)
        #expect(runnable(&schedule) == [2])
    }

    @Test func aReplacementThatWouldWaitForItselfIsRefused() {
        // b copies what 1 puts; a replacement of 1 that reads b would wait for it.
        let schedule = schedule(put("a"), put("b", reads: ["a"]))
        #expect(!schedule.canReplace(1, put("a", reads: ["b"])))
        #expect(schedule.canReplace(2, put("b", reads: ["a"])))
    }

    @Test func whatAnEarlierProcessLeftHasItsOrder() {
        var schedule = DrainSchedule()
        // In the place of number 1 stands an intent that waits for a later one.
        schedule.restore([(1, put("a"), [2]), (2, put("b"), [77]), (3, delete("a"), [1])])
        #expect(runnable(&schedule) == [2])
        schedule.finished(2)
        #expect(runnable(&schedule) == [1])
        schedule.finished(1)
        #expect(runnable(&schedule) == [3])
    }

    @Test func markersAboveAKey() {
        #expect(DrainSchedule.markers(above: "a/b/c") == ["a/", "a/b/"])
        #expect(DrainSchedule.markers(above: "a/b/") == ["a/"])
        #expect(DrainSchedule.markers(above: "a") == [])
    }
}
