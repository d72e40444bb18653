import Testing

@testable import Volumes

/// The machine beside a world that may die between any two steps: a disk and a place for a mount.
private struct World {
    var machine: VolumeMachine
    var disk: VolumeRecord?
    var place = VolumeMachine.Found.nothing
    /// Whether the place's directory is there.
    var hasDirectory = false
    var boot = "boot-1"

    init() { machine = VolumeMachine(record: nil, bootID: boot) }

    /// How a call went; nil where the process died in it.
    enum Outcome: Equatable { case done, refused }

    /// Carries a call out. `fate` is asked before each action that changes something.
    mutating func call(_ request: VolumeMachine.Request, fate: () -> Fate = { .succeeds }) -> Outcome? {
        var action = machine.begin(request)
        while true {
            let event: VolumeMachine.Event
            switch action {
            case .done: return .done
            case .refuse: return .refused
            case .inspect: event = .found(place)
            default:
                let fate = fate()
                if fate != .diesBefore, fate != .fails { apply(action) }
                if fate == .diesBefore || fate == .diesAfter {
                    machine = VolumeMachine(record: disk, bootID: boot)
                    return nil
                }
                event = fate == .fails ? .failed(VolumeRefusal("no")) : .succeeded
            }
            action = machine.advance(event)
        }
    }

    enum Fate { case succeeds, fails, diesBefore, diesAfter }

    private mutating func apply(_ action: VolumeMachine.Action) {
        switch action {
        case .mount:
            place = .mount
            hasDirectory = true
        case .unmount: place = .nothing
        case .clear:
            #expect(place == .nothing, "a directory cannot be removed under a mount")
            hasDirectory = false
        case .write(let record): disk = record
        case .erase: disk = nil
        case .inspect, .done, .refuse: break
        }
    }

    mutating func restart() {
        boot += "'"
        place = .nothing
        machine = VolumeMachine(record: disk, bootID: boot)
    }

    var references: Set<String> { disk?.references ?? [] }
}

private func record(_ options: [String: String] = [:], boot: String = "boot-1") -> VolumeRecord {
    VolumeRecord(name: try! VolumeName("v"), options: options, createdAt: "", bootID: boot)
}

@Suite struct VolumeMachineTests {
    @Test func aVolumeIsMadeMountedSharedAndRemoved() {
        var world = World()
        let outcome1 = world.call(.mount(id: "a"))
        #expect(outcome1 == .refused)
        let outcome2 = world.call(.create(record()))
        #expect(outcome2 == .done)
        let outcome3 = world.call(.create(record()))
        #expect(outcome3 == .done)
        let outcome4 = world.call(.create(record(["other": "1"])))
        #expect(outcome4 == .refused)
        let outcome5 = world.call(.mount(id: "a"))
        #expect(outcome5 == .done)
        let outcome6 = world.call(.mount(id: "a"))
        #expect(outcome6 == .done)
        let outcome7 = world.call(.mount(id: "b"))
        #expect(outcome7 == .done)
        #expect(world.references == ["a", "b"])
        let outcome8 = world.call(.remove)
        #expect(outcome8 == .refused)
        let outcome9 = world.call(.unmount(id: "a"))
        #expect(outcome9 == .done)
        let outcome10 = world.call(.unmount(id: "a"))
        #expect(outcome10 == .done)
        #expect(world.place == .mount)
        let outcome11 = world.call(.unmount(id: "b"))
        #expect(outcome11 == .done)
        #expect(world.place == .nothing)
        let outcome12 = world.call(.remove)
        #expect(outcome12 == .done)
        #expect(world.disk == nil)
        #expect(!world.hasDirectory)
        let outcome13 = world.call(.remove)
        #expect(outcome13 == .refused)
    }

    @Test func aSecondUserCostsNoMountAndADeadMountIsReplaced() {
        var machine = VolumeMachine(record: record(), bootID: "boot-1")
        var step = machine.begin(.mount(id: "a"))
        #expect(step == .inspect)
        step = machine.advance(.found(.mount))
        var with = record()
        with.references = ["a"]
        #expect(step == .write(with))
        step = machine.advance(.succeeded)
        #expect(step == .done)
        step = machine.begin(.mount(id: "a"))
        step = machine.advance(.found(.deadMount))
        #expect(step == .mount(with))
        step = machine.advance(.succeeded)
        // Known already.
        #expect(step == .done)
    }

    @Test func aMountWhoseReferenceCannotBeWrittenIsTakenBack() {
        var world = World()
        let outcome14 = world.call(.create(record()))
        #expect(outcome14 == .done)
        var fates: [World.Fate] = [.succeeds, .fails]
        let outcome15 = world.call(.mount(id: "a"), fate: { fates.isEmpty ? .succeeds : fates.removeFirst() })
        #expect(outcome15 == .refused)
        #expect(world.place == .nothing)
        #expect(world.references.isEmpty)
        // But not under others.
        let outcome16 = world.call(.mount(id: "a"))
        #expect(outcome16 == .done)
        let outcome17 = world.call(.mount(id: "b"), fate: { .fails })
        #expect(outcome17 == .refused)
        #expect(world.place == .mount)
    }

    @Test func aMountThatAnotherPluginHadBegunCounts() {
        var machine = VolumeMachine(record: record(), bootID: "boot-1")
        var step = machine.begin(.mount(id: "a"))
        step = machine.advance(.found(.nothing))
        step = machine.advance(.failed(VolumeRefusal("mounted already")))
        #expect(step == .inspect)
        step = machine.advance(.found(.mount))
        var with = record()
        with.references = ["a"]
        #expect(step == .write(with))
        step = machine.advance(.succeeded)
        #expect(step == .done)
        step = machine.begin(.mount(id: "b"))
        step = machine.advance(.found(.deadMount))
        step = machine.advance(.failed(VolumeRefusal("no store")))
        step = machine.advance(.found(.nothing))
        #expect(step == .refuse(VolumeRefusal("no store")))
    }

    @Test func aStartOfTheSystemMakesReferencesVoid() {
        var world = World()
        let outcome18 = world.call(.create(record()))
        #expect(outcome18 == .done)
        let outcome19 = world.call(.mount(id: "a"))
        #expect(outcome19 == .done)
        world.restart()
        let outcome20 = world.call(.restore)
        #expect(outcome20 == .done)
        #expect(world.references.isEmpty)
        let outcome21 = world.call(.remove)
        #expect(outcome21 == .done)
        // Also where the first call comes before the restore.
        world = World()
        let outcome22 = world.call(.create(record()))
        #expect(outcome22 == .done)
        let outcome23 = world.call(.mount(id: "a"))
        #expect(outcome23 == .done)
        world.restart()
        let outcome24 = world.call(.mount(id: "b"))
        #expect(outcome24 == .done)
        #expect(world.references == ["b"])
    }

    /// Random lives with deaths and failures at every step: who was told that the volume is mounted has it, and nobody else keeps it.
    @Test(arguments: 0..<400) func livesWithDeathsKeepTheCount(seed: Int) {
        var random = SplitMix(state: UInt64(seed))
        var world = World()
        // Told that it is mounted, and have not asked to be rid of it; may have it.
        var holders: Set<String> = []
        var possible: Set<String> = []
        for _ in 0..<60 {
            let id = ["a", "b", "c"].randomElement(using: &random)!
            var number = random
            let fate: () -> World.Fate = {
                switch Int.random(in: 0..<10, using: &number) {
                case 0: .fails
                case 1: .diesBefore
                case 2: .diesAfter
                default: .succeeds
                }
            }
            random.state &+= 77
            switch Int.random(in: 0..<10, using: &random) {
            case 0: _ = world.call(.create(record(boot: world.boot)), fate: fate)
            case 1...4:
                possible.insert(id)
                if world.call(.mount(id: id), fate: fate) == .done {
                    holders.insert(id)
                    #expect(world.place == .mount)
                }
            case 5...7:
                holders.remove(id)
                if world.call(.unmount(id: id), fate: fate) == .done { possible.remove(id) }
            case 8:
                let outcome = world.call(.remove, fate: fate)
                if outcome == .done {
                    #expect(holders.isEmpty, "seed \(seed): removed under \(holders)")
                    #expect(world.disk == nil && world.place == .nothing && !world.hasDirectory)
                    possible = []
                }
            default: if world.place == .mount { world.place = .deadMount }
            }
            #expect(world.machine.record == world.disk, "seed \(seed)")
            #expect(world.references.isSuperset(of: holders), "seed \(seed): \(holders) of \(world.references)")
            #expect(world.references.isSubset(of: possible), "seed \(seed): \(world.references) of \(possible)")
            guard Bool.random(using: &random), world.call(.restore) == .done, world.disk != nil else { continue }
            #expect(world.place == (world.references.isEmpty ? .nothing : .mount), "seed \(seed)")
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
